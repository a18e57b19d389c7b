import Files
import Foundation
import Images
import Testing
@testable import Data

@Suite struct ZipImageTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The shared folder is left out, and so are hidden files and macOS's own folder.
  @Test func classFoldersInAZipAreClasses() throws {
    let dataset = try Dataset.open(try folder.write("photos.zip", fixture: "classes zip"))
    #expect(dataset.summary == "3 images, 2 classes, zip archive")
    #expect(dataset.names == ["photos/cat/1.png", "photos/cat/10.png", "photos/dog/2.png"])
    #expect(dataset.classNames == ["cat", "dog"])
    #expect(dataset.labels == [0, 0, 1])
    // The levels and sides that Pillow drew.
    #expect(try dataset.firstBytes() == [10, 30, 20])
    #expect(try dataset.image(1).width == 4)
  }

  @Test func storedAndDeflatedEntriesAreTheSame() throws {
    let deflated = try Dataset.open(try folder.write("a.zip", fixture: "classes zip"))
    let stored = try Dataset.open(try folder.write("b.zip", fixture: "stored zip"))
    #expect(deflated.fingerprint == stored.fingerprint)
  }

  @Test func aFlatZipHasNoLabels() throws {
    let dataset = try Dataset.open(try folder.write("flat.zip", fixture: "flat zip"))
    #expect(dataset.summary == "2 images, no labels, zip archive")
    #expect(dataset.names == ["a/1.png", "a/2.png"])
  }

  @Test func partsInAZipAreChosenByTheSplit() throws {
    let path = try folder.write("set.zip", fixture: "parts zip")
    let train = try Dataset.open(path)
    #expect(train.summary == "4 images, 2 classes, zip archive, train split")
    let test = try Dataset.open(path, split: .test)
    #expect(test.names == ["set/val/cat/0.png", "set/val/dog/0.png"])
    #expect(test.labels == [0, 1])
  }

  @Test func mixedAndOtherZipsAreNamed() throws {
    for name in ["mixed", "texts", "packed otherwise"] {
      try folder.write("\(name).zip", fixture: "\(name) zip")
    }
    #expect(
      folder.message("/mixed.zip")
        == "F/mixed.zip holds images (1.png) as well as class folders (cat/); keep one kind in a folder of its own"
    )
    #expect(folder.message("/texts.zip").hasPrefix("F/texts.zip holds no "))
    #expect(folder.message("/texts.zip").contains("only readme.txt"))
    // The same bytes with the name of a tar file: no checksum covers names.
    var renamed = try SetFixtures.file("texts zip")
    while let name = renamed.range(of: Data("readme.txt".utf8)) {
      renamed.replaceSubrange(name, with: Data("train0.tar".utf8))
    }
    try folder.write("tar.zip", renamed)
    #expect(
      folder.message("/tar.zip")
        == "F/tar.zip holds no image, but train0.tar, which is a data set by itself; unpack the zip file and give "
        + "train0.tar")
    #expect(
      folder.message("/packed otherwise.zip")
        == "F/packed otherwise.zip: 1.png is packed by method 12, and only entries that are stored or deflated are read. "
        + "Pack it again.")
  }

  @Test func aDamagedImageIsOneBadFile() throws {
    var file = try SetFixtures.file("stored zip")
    let place = try #require(file.range(of: Data([0x89, 0x50, 0x4E, 0x47])))
    file[place.lowerBound + 20] ^= 1
    let dataset = try Dataset.open(try folder.write("a.zip", file))
    let error = #expect(throws: ImageError.self) { try (0..<3).forEach { _ = try dataset.image($0) } }
    let known = try #require(error)
    #expect("\(known.reason)" == "cannot be read: its checksum is wrong")
    #expect(isFileToBlame(known))
  }

  /// The size in the list is compared with the limit on image files, before memory is taken.
  @Test func anImagesSizeIsLimited() throws {
    var decoder = ImageDecoder()
    decoder.limits.maxFileBytes = 60
    let path = try folder.write("a.zip", fixture: "classes zip")
    let dataset = try Dataset.open(path, decoder: decoder)
    let size = try #require(try Dataset.open(path).fileSize(0, using: DecodeScratch()))
    let error = #expect(throws: ImageError.self) { try dataset.image(0) }
    #expect(error?.reason == .fileTooLarge(bytes: size, limit: 60))
  }

  /// A list of contents that promises a petabyte is refused when it is read.
  @Test func aLyingListIsRefused() throws {
    var file = try SetFixtures.file("classes zip")
    let entry = try #require(file.range(of: Data([0x50, 0x4B, 1, 2])))
    for place in 24..<27 { file[entry.lowerBound + place] = 0xFF }
    try folder.write("a.zip", file)
    #expect(
      folder.message("/a.zip").hasPrefix(
        "F/a.zip is over a limit of this program: photos/dog/2.png would unpack from "))
  }
}

@Suite struct NestedTarTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func open(_ path: String, cache: ShardIndexCache? = nil) throws -> Dataset {
    let format = try #require(NestedTars(try DatasetLocation(path)))
    return try format.open(path, OpeningOptions(), cache: cache)
  }

  @Test func imageNetsTarOfTarsIsReadAsItIsDownloaded() throws {
    let path = try folder.write("ILSVRC2012_img_train.tar", fixture: "tar of tars")
    let dataset = try open(path)
    #expect(dataset.summary == "4 images, 2 classes, tar of class tars")
    #expect(dataset.names == ["n01/n01_12.JPEG", "n01/n01_3.JPEG", "n02/n02_12.JPEG", "n02/n02_3.JPEG"])
    #expect(dataset.classNames == ["n01", "n02"])
    #expect(dataset.labels == [0, 0, 1, 1])
    #expect(try dataset.firstBytes() == [32, 23, 22, 13])
    // In any order, as training reads it: no shards.
    #expect(dataset.shards == nil)
    #expect(try dataset.subset([3]).image(0).pixels[0] == 13)
  }

  @Test func theHeadersAreReadOnce() throws {
    let path = try folder.write("t.tar", fixture: "tar of tars")
    let cache = ShardIndexCache(folder: folder.path + "/cache")
    let first = try open(path, cache: cache)
    #expect(try FileManager.default.contentsOfDirectory(atPath: cache.folder).count == 1)
    #expect(try open(path, cache: cache).fingerprint == first.fingerprint)
  }

  @Test func aBrokenInnerTarIsNamed() throws {
    let whole = try SetFixtures.file("tar of tars")
    // Cut inside the first inner file.
    let path = try folder.write("t.tar", whole.prefix(15_000))
    let error = #expect(throws: DatasetError.self) { try open(path) }
    #expect(
      error.map { "\($0)" }?.hasSuffix("t.tar ends inside of n01.tar; fetch it again") == true,
      "\(String(describing: error))")
    // An inner header that is none.
    var other = whole
    for byte in 512..<1024 { other[byte] = 0xFF }
    let broken = try folder.write("u.tar", other)
    let second = #expect(throws: DatasetError.self) { try open(broken) }
    #expect(
      second.map { "\($0)".hasPrefix("n02.tar in \(folder.path)/u.tar is damaged after 0 members") } == true,
      "\(String(describing: second))")
  }

  @Test func imagesBesideTheTarsAreRefused() throws {
    var tar = MadeTar()
    tar.add("n01.tar")
    tar.add("x.jpg", [1])
    let path = try folder.write("t.tar", tar.closed)
    let error = #expect(throws: DatasetError.self) { try open(path) }
    #expect(error == .mixed(path: path, kinds: ["tar files (n01.tar)", "images (x.jpg)"]))
    var empty = MadeTar()
    for name in ["n01.tar", "n02.tar"] { empty.add(name, Array(MadeTar().closed)) }
    let second = try folder.write("u.tar", empty.closed)
    #expect(throws: DatasetError.noImages(path: second, saw: ["n01.tar", "n02.tar"])) { try open(second) }
  }

  /// A size that the file does not have, in the outer tar's header of an inner one.
  @Test func placesStayInsideTheFile() throws {
    var tar = MadeTar()
    tar.add("n01.tar", [UInt8](repeating: 0, count: 512), size: base256(1 << 40))
    let path = try folder.write("t.tar", Data(tar.bytes))
    #expect(throws: DatasetError.self) { try open(path) }
  }
}
