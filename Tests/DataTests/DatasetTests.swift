import Foundation
import Testing
@testable import Data

@Suite struct DatasetRecognition {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func classFoldersGiveSortedClassesAndPaths() throws {
    for name in ["dog/2.png", "dog/10.png", "cat/deep/er/a.PNG", "cat/b.jpeg", "Zebra/x.webp"] {
      try folder.image(name)
    }
    try folder.write("README.md")
    try folder.write("dog/notes.txt")
    try folder.write(".hidden/x.png")
    try folder.image("dog/.DS_Store.png")
    try folder.makeFolder("empty")
    let dataset = try Dataset.open(folder.path + "/")
    #expect(dataset.format == "class folders")
    #expect(dataset.classNames == ["Zebra", "cat", "dog"])
    #expect(
      (0..<dataset.count).map { dataset.name($0) }
        == ["Zebra/x.webp", "cat/b.jpeg", "cat/deep/er/a.PNG", "dog/10.png", "dog/2.png"])
    #expect((0..<dataset.count).map { dataset.label($0) } == [0, 1, 1, 2, 2])
    #expect(dataset.summary == "5 images, 3 classes, class folders")
    #expect(try dataset.image(4) == noise(side: 8, seed: 0))
  }

  @Test func aFlatFolderHasNoLabels() throws {
    try folder.image("b.png", seed: 1)
    try folder.image("a.png", seed: 2)
    try folder.write("list.csv")
    let dataset = try Dataset.open(folder.path)
    #expect((0..<dataset.count).map { dataset.name($0) } == ["a.png", "b.png"])
    #expect(dataset.label(0) == nil)
    #expect(dataset.classNames.isEmpty)
    #expect(try dataset.image(0) == noise(side: 8, seed: 2))
    #expect(dataset.summary == "2 images, no labels, folder of images")
  }

  @Test func aListNamesPathsAndLabels() throws {
    try folder.image("pictures/my dog.png", seed: 3)
    try folder.image("pictures/a.png")
    let list = try folder.write("train.txt", Data("pictures/my dog.png 2\r\n\npictures/a.png\t0\n".utf8))
    let dataset = try Dataset.open(list)
    #expect(dataset.format == "list")
    #expect((0..<dataset.count).map { dataset.name($0) } == ["pictures/a.png", "pictures/my dog.png"])
    #expect((0..<dataset.count).map { dataset.label($0) } == [0, 2])
    #expect(dataset.classNames == ["0", "1", "2"])
    #expect(try dataset.image(1) == noise(side: 8, seed: 3))
  }

  @Test func aListMayDoWithoutLabelsAndNameAbsolutePaths() throws {
    let image = try folder.image("x y.png", seed: 4)
    let list = try folder.write("l.txt", Data("\(image)\nx y.png".utf8))
    let dataset = try Dataset.open(list)
    #expect(dataset.count == 2)
    #expect(dataset.label(0) == nil)
    #expect(try dataset.image(0) == dataset.image(1))
  }

  @Test func idxFilesAreToldBySplit() throws {
    try folder.write("train-images-idx3-ubyte", idx(3, [3, 2, 2], (0..<12).map { UInt8($0) }))
    try folder.write("train-labels-idx1-ubyte", idx(1, [3], [1, 0, 9]))
    try folder.write("t10k-images-idx3-ubyte", idx(3, [2, 2, 2], (100..<108).map { UInt8($0) }))
    let train = try Dataset.open(folder.path)
    #expect(train.summary == "3 images, 10 classes, IDX (MNIST family), train split")
    #expect((0..<3).map { train.label($0) } == [1, 0, 9])
    #expect(train.name(1) == "train-images-idx3-ubyte#1")
    #expect(try train.image(1).pixels == [4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7])
    let test = try Dataset.open(folder.path, split: .test)
    #expect(test.summary == "2 images, no labels, IDX (MNIST family), test split")
    #expect(try test.image(0).pixels.first == 100)
  }

  @Test func cifarBatchesFollowOneAnother() throws {
    for batch in 1...2 {
      let record = { (label: UInt8) in [label] + [UInt8](repeating: label * 10, count: 3072) }
      try folder.write("data_batch_\(batch).bin", Data(record(UInt8(batch)) + record(UInt8(batch + 2))))
    }
    try folder.write("batches.meta.txt", Data((0..<10).map { "class \($0)\n" }.joined().utf8))
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.summary == "4 images, 10 classes, CIFAR-10 binary, train split")
    #expect((0..<4).map { dataset.label($0) } == [1, 3, 2, 4])
    #expect((0..<4).map { dataset.name($0) }.last == "data_batch_2.bin#1")
    #expect(try (0..<4).map { try dataset.image($0).pixels[0] } == [10, 30, 20, 40])
    #expect(dataset.classNames[3] == "class 3")
  }

  @Test func missingBatchesOfCIFARAreNamed() throws {
    func missing(_ batches: [Int]) throws -> [String] {
      let folder = try TemporaryFolder()
      for batch in batches { try folder.write("data_batch_\(batch).bin", Data(count: 2 * 3073)) }
      return try Dataset.open(folder.path).leftOut.missing
    }
    #expect(try missing([1, 2, 4, 5]) == ["data_batch_3.bin"])
    #expect(try missing([1, 2, 3, 4, 5]) == [])
    #expect(try missing([1, 2, 3, 4, 5, 6, 8]) == ["data_batch_7.bin"])
    // A number that nobody counts to takes no time.
    #expect(try missing([1, 2, 3, 4, 5, Int.max]) == [])
  }

  /// a/loop leads back to a, b is another way into a.
  @Test func loopsOfLinksEnd() throws {
    try folder.image("a/1.png")
    try folder.image("c/2.png")
    try folder.link("a/loop", to: folder.path)
    try folder.link("c/up", to: "..")
    try folder.link("c/nowhere.png", to: "missing.png")
    let dataset = try Dataset.open(folder.path)
    #expect((0..<dataset.count).map { dataset.name($0) } == ["a/1.png", "c/2.png"])
  }

  @Test func namesAreOrderedByBytes() throws {
    for name in ["é.png", "z.png", "Z.png", "a-b.png", "a.png"] { try folder.image(name) }
    let dataset = try Dataset.open(folder.path)
    #expect(
      (0..<dataset.count).map { dataset.name($0) } == ["Z.png", "a-b.png", "a.png", "z.png", "é.png"])
  }
}

@Suite struct DatasetErrors {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The message, with the folder's path as "F".
  private func message(_ name: String = "", split: DatasetSplit = .train) -> String {
    do {
      return "opened: " + (try Dataset.open(folder.path + name, split: split)).summary
    } catch { return "\(error)".replacingOccurrences(of: folder.path, with: "F") }
  }

  @Test func missing() {
    #expect(message("/none") == "F/none does not exist; check the path")
  }

  @Test func notAFolder() throws {
    try folder.write("a.doc")
    #expect(
      message("/a.doc")
        == "F/a.doc is neither a folder nor a file that is read as a data set (.txt, .csv, .tar, .json, .zip, .npz, .mat, "
        + ".parquet); give the folder that the images are in")
    #expect(
      message("/x-{000..127}.tar")
        == "F/x-000.tar does not exist, nor do 127 others of 128 shards; check the path and the range")
  }

  @Test func empty() throws {
    try folder.write(".hidden")
    #expect(message() == "F is empty; put images, class folders, IDX or CIFAR files into it")
  }

  @Test func withoutImages() throws {
    for name in ["a.csv", "b.csv", "c.csv", "sub/d.csv", "sub2/e.pdf"] { try folder.write(name) }
    #expect(
      message()
        == "F holds no image, only sub/, sub2/, a.csv, 2 more; give the folder that the images are in"
    )
  }

  @Test func oneImage() throws {
    try folder.image("a.png")
    #expect(message() == "F holds one image only; contrastive training needs at least 2")
    #expect(try Dataset.open(folder.path, allowsOneImage: true).count == 1)
  }

  @Test func onlyParts() throws {
    for part in ["train", "val"] { try folder.image(part + "/cat/a.png") }
    #expect(
      message()
        == "F holds the parts train, val and no class folders; name one of them, such as F/train")
  }

  @Test func mixed() throws {
    try folder.image("a.png")
    try folder.image("cats/b.png")
    #expect(
      message()
        == "F holds images (a.png) as well as class folders (cats/); keep one kind in a folder of its own")
    try folder.write("train-images-idx3-ubyte.gz")
    #expect(message().contains("as well as IDX files (train-images-idx3-ubyte.gz)"))
  }

  @Test func missingSplit() throws {
    try folder.write("train-images-idx3-ubyte", idx(3, [2, 1, 1], [1, 2]))
    #expect(message(split: .test) == "F has no test part: t10k-images-idx3-ubyte[.gz] not found")
    try FileManager.default.removeItem(atPath: folder.path + "/train-images-idx3-ubyte")
    try folder.write("test_batch.bin", Data(count: 3073 * 2))
    #expect(message() == "F has no train part: data_batch_1.bin to data_batch_5.bin not found")
  }

  @Test func labelsThatDoNotFit() throws {
    try folder.write("train-images-idx3-ubyte", idx(3, [2, 1, 1], [1, 2]))
    try folder.write("train-labels-idx1-ubyte", idx(1, [3], [1, 2, 3]))
    #expect(
      message() == "F/train-labels-idx1-ubyte has 3 labels for 2 images; fetch or copy both files again")
  }

  @Test func damagedIDX() throws {
    try folder.write("train-images-idx3-ubyte", idx(3, [2, 5, 5], [1, 2]))
    #expect(
      message()
        == "F/train-images-idx3-ubyte: the IDX file has 18 bytes where its header asks for 66; fetch or copy it again"
    )
  }

  @Test func listsThatAreNone() throws {
    try folder.write("a.txt", Data("\n  \n".utf8))
    #expect(message("/a.txt") == "F/a.txt names no image; write one path a line")
    try folder.write("b.txt", Data("a.png 1\nb.png\n".utf8))
    #expect(
      message("/b.txt")
        == "F/b.txt, line 2: has no label, the ones before it have; give all lines one or none")
    try folder.write("c.txt", Data("a.png -1\n".utf8))
    #expect(message("/c.txt") == "F/c.txt, line 1: the label -1 is outside 0...999999")
  }
}
