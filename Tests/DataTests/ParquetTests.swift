import Files
import Foundation
import Images
import Testing
@testable import Data

/// Read by the library of `scripts/parquet-library`; without it these are skipped.
private let library: Comment? =
  switch ParquetLibrary.shared {
  case .success: nil
  case .failure(let why): Comment(rawValue: why.reason)
  }

@Suite(.enabled(if: library == nil, library ?? "")) struct ParquetTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func huggingFacesImagesAndClassesAreRead() throws {
    let dataset = try Dataset.open(try folder.write("x.parquet", fixture: "images parquet"))
    #expect(dataset.summary == "5 images, 3 classes, Parquet")
    #expect(dataset.classNames == ["cat", "dog", "eel"])
    #expect(dataset.labels == [1, 0, 1, 1, 0])
    #expect(dataset.name(4) == "x.parquet#4")
    #expect(try dataset.firstBytes() == [40, 41, 42, 43, 44])
  }

  @Test func theFilesOfAPartMakeOneSet() throws {
    for name in ["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"] {
      try folder.write("data/\(name).parquet", fixture: "images parquet")
    }
    try folder.write("README.md")
    let train = try Dataset.open(folder.path)
    #expect(train.summary == "10 images, 3 classes, Parquet, train split")
    #expect(train.name(6) == "train-00001-of-00002.parquet#1")
    #expect(try train.firstBytes() == [40, 41, 42, 43, 44, 40, 41, 42, 43, 44])
    #expect(
      try Dataset.open(folder.path + "/data", split: .test).summary
        == "5 images, 3 classes, Parquet, test split")
  }

  @Test func otherNamesAndKindsOfLabelsAreRead() throws {
    let numbers = try Dataset.open(try folder.write("a.parquet", fixture: "plain parquet"))
    #expect(numbers.labels == [3, 0, 1, 2, 2])
    #expect(numbers.classNames == ["0", "1", "2", "3"])
    let words = try Dataset.open(try folder.write("b.parquet", fixture: "words parquet"))
    #expect(words.classNames == ["ape", "eel"])
    #expect(words.labels == [1, 0, 1, 0, 0])
    let none = try Dataset.open(try folder.write("c.parquet", fixture: "unlabelled parquet"))
    #expect(none.labels == Array(repeating: nil, count: 5))
  }

  @Test func filesWithoutImagesAreNamed() throws {
    try folder.write("names.parquet", fixture: "names parquet")
    #expect(
      folder.message("/names.parquet")
        == "F/names.parquet holds the names of its images only, not the images; write it again from images in it: "
        + "ds.with_format(\"arrow\").map(datasets.table.embed_table_storage, batched=True)")
    try folder.write("table.parquet", fixture: "table parquet")
    #expect(
      folder.message("/table.parquet")
        == "F/table.parquet has no column with images, only a, b; images are read from a column image of {bytes, path}, as "
        + "datasets.Image writes it")
    try folder.write("cut.parquet", try SetFixtures.file("images parquet").dropLast(9))
    #expect(folder.message("/cut.parquet").hasPrefix("F/cut.parquet is no Parquet file that can be read: "))
  }

  /// Two groups of 3 and 2 rows; only one is kept, whatever the order of reading.
  @Test func onlyAFewGroupsAreKept() throws {
    let file = try ParquetFile(try folder.write("x.parquet", fixture: "images parquet"))
    #expect(file.rows == [3, 2])
    let image = try #require(file.columns.first { $0.name == "image.bytes" })
    let images = ParquetImages([.init(file: file, image: image)], labels: [], maxFileBytes: 1000, keeping: 1)
    let dataset = Dataset(images, format: "Parquet")
    for _ in 0..<3 { #expect(try [4, 0, 3, 2].map { try dataset.image($0).pixels[0] } == [44, 40, 43, 42]) }
  }

  @Test func memoryIsLimitedBeforeItIsTaken() throws {
    let path = try folder.write("x.parquet", fixture: "images parquet")
    // Arrow's own memory counts, from the file's list of columns on.
    let error = #expect(throws: DatasetError.self) { try ParquetFile(path, limit: 200) }
    #expect(error.map { "\($0)".contains("is no Parquet file that can be read") } == true)
    let dataset = try Dataset.open(path, decoder: ImageDecoder(limits: DecodeLimits(maxFileBytes: 10)))
    #expect(throws: ImageError.self) { try dataset.image(0) }
  }

  /// A changed byte anywhere ends in an error or another image, never in a crash.
  @Test func damagedFilesAreRefused() throws {
    let file = try SetFixtures.file("images parquet")
    var refused = 0
    for place in stride(from: 0, to: file.count, by: 7) {
      var damaged = file
      damaged[place] ^= 0x55
      let path = try folder.write("x.parquet", damaged)
      do {
        let dataset = try Dataset.open(path)
        for index in 0..<dataset.count { _ = try? dataset.image(index) }
      } catch { refused += 1 }
    }
    #expect(refused > 10)
  }
}

@Suite struct ParquetLibraryTests {
  @Test func itsPlacesAreBesideTheProgramAndInTheBuildFolder() {
    let places = ParquetLibrary.places(program: "/a/.build/x86/debug/moco", environment: [:])
    #expect(places == ["/a/.build/x86/debug/libmoco_parquet.so", "/a/.build/parquet/libmoco_parquet.so"])
    #expect(
      ParquetLibrary.places(program: "/a/moco", environment: ["MOCO_PARQUET_LIBRARY": "/x.so"]) == ["/x.so"])
  }

  @Test func aMissingOrForeignLibraryIsNamed() throws {
    let folder = try TemporaryFolder()
    #expect(
      ParquetLibrary.load(["/none/a.so", "/none/b.so"]).failure
        == "neither /none/a.so nor /none/b.so is there; scripts/parquet-library builds it")
    #expect(
      ParquetLibrary.load(["/none/a.so"]).failure
        == "/none/a.so is not there; scripts/parquet-library builds it")
    let text = try folder.write("a.so", Foundation.Data("text".utf8))
    #expect(ParquetLibrary.load([text]).failure?.contains("cannot be loaded") == true)
  }
}

extension Result<ParquetLibrary.Loaded, ParquetLibrary.Unavailable> {
  fileprivate var failure: String? { if case .failure(let why) = self { why.reason } else { nil } }
}
