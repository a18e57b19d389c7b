import Files
import Foundation
import Images
import Testing
@testable import Data

@Suite struct CIFARPickleTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The pixel (2, 1) of image 1, by numpy.
  private func expectPixel(_ dataset: Dataset, _ index: Int = 1) throws {
    let pixel = try dataset.image(index)[2, 1]
    #expect([pixel.red, pixel.green, pixel.blue] == (try SetFixtures.expected("cifar pixel")))
  }

  @Test func cifar10AsItIsDownloadedIsRead() throws {
    for batch in ["data_batch_1", "data_batch_2", "test_batch"] {
      try folder.write(batch, fixture: "cifar10 batch")
    }
    try folder.write("batches.meta", fixture: "cifar10 meta")
    try folder.write("readme.html")
    let train = try Dataset.open(folder.path)
    #expect(train.summary == "6 images, 10 classes, CIFAR-10 python, train split")
    #expect(train.labels == [6, 0, 9, 6, 0, 9])
    #expect(train.name(4) == "data_batch_2#1")
    #expect(train.classNames[6] == "frog")
    try expectPixel(train)
    try expectPixel(train, 4)
    #expect(train.leftOut == LeftOut(missing: ["data_batch_3", "data_batch_4", "data_batch_5"]))
    #expect(train.leftOut.text == "data_batch_3, data_batch_4, data_batch_5 are not there")
    #expect(try Dataset.open(folder.path, split: .test).leftOut.isEmpty)
    #expect(try Dataset.open(folder.path, split: .test).summary.hasSuffix("CIFAR-10 python, test split"))
  }

  /// Re-written by Python 3: text keys, and bytes as Latin-1 text, bytes or a buffer.
  @Test(arguments: [2, 4, 5]) func picklesOfPython3AreReadToo(_ version: Int) throws {
    try folder.write("data_batch_1", fixture: "cifar10 protocol \(version)")
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.labels == [6, 0, 9])
    #expect(dataset.classNames == (0...9).map(String.init))
    try expectPixel(dataset)
  }

  @Test func cifar100HasItsFineLabels() throws {
    try folder.write("train", fixture: "cifar100 train")
    try folder.write("meta", fixture: "cifar100 meta")
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.summary == "3 images, 100 classes, CIFAR-100 python, train split")
    #expect(dataset.labels == [19, 99, 0])
    #expect(dataset.classNames[99] == "class 99")
    #expect(folder.message(split: .test) == "F has no test part: test not found")
  }

  @Test func theArchivesAreReadAsTheyAreDownloaded() throws {
    let batch = try folder.write("x/cifar-10-batches-py/data_batch_1", fixture: "cifar10 batch")
    try folder.write("x/cifar-10-batches-py/batches.meta", fixture: "cifar10 meta")
    try shell("cd '\(folder.path)/x' && tar -czf '\(folder.path)/cifar-10-python.tar.gz' cifar-10-batches-py")
    let dataset = try Dataset.open(folder.path + "/cifar-10-python.tar.gz")
    #expect(dataset.summary == "3 images, 10 classes, CIFAR-10 python, train split")
    #expect(dataset.classNames[0] == "airplane")
    try expectPixel(dataset)
    // The same set as the unpacked folder.
    #expect(
      try dataset.fingerprint == Dataset.open((batch as NSString).deletingLastPathComponent).fingerprint)

    let record = { (label: UInt8) in [label] + [UInt8](repeating: label * 10, count: 3072) }
    try folder.write("x/cifar-10-batches-bin/data_batch_1.bin", Data(record(2) + record(7)))
    try shell(
      "cd '\(folder.path)/x' && tar -czf '\(folder.path)/cifar-10-binary.tar.gz' cifar-10-batches-bin")
    let binary = try Dataset.open(folder.path + "/cifar-10-binary.tar.gz")
    #expect(binary.summary == "2 images, 10 classes, CIFAR-10 binary, train split")
    #expect(try binary.firstBytes() == [20, 70])
  }

  @Test func aPickleThatWouldRunSomethingIsRefusedUnrun() throws {
    // cos\nsystem\n(S'touch …' as protocol 2 has it.
    let mark = folder.path + "/mark"
    let command = Array("touch \(mark)".utf8)
    var bytes: [UInt8] = [0x80, 2]
    bytes += Array("cos\nsystem\n".utf8)
    bytes += [UInt8(ascii: "U"), UInt8(command.count)]
    bytes += command
    bytes += [0x85, 0x52, 0x2E]
    try folder.write("data_batch_1", Data(bytes))
    #expect(
      folder.message()
        == "F/data_batch_1 asks to call os.system (byte 2 of its pickle), which a data set does not need. Nothing was "
        + "called; do not trust this file")
    #expect(!FileManager.default.fileExists(atPath: mark))
  }

  @Test func otherPicklesAreNamed() throws {
    try folder.write("data_batch_1", fixture: "cifar10 meta")
    #expect(
      folder.message()
        == "F/data_batch_1 is no batch of CIFAR-10: it has no array `data`, only label_names")
    try folder.write("data_batch_1", try SetFixtures.file("cifar10 batch").dropLast(30))
    #expect(
      folder.message().hasPrefix("F/data_batch_1 has a pickle that is not read: "), "\(folder.message())")
    #expect(folder.message().hasSuffix("download it again"))
  }

  @Test func aPicklesLimitsComeBeforeItsMemory() throws {
    var limits = PickleMachine.Limits()
    limits.objects = 3
    let bytes = [UInt8](try SetFixtures.file("cifar10 batch"))
    let error = #expect(throws: InterchangeError.self) {
      try PickledDictionary(bytes, path: "b", limits: limits)
    }
    let known = try #require(error)
    #expect(
      DatasetError(of: "b", known).description
        == "b is over a limit of this program: more than 3 values at once")
  }
}

@Suite struct STL10Tests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write(_ name: String, images: Int) throws {
    try folder.write(name, Data((0..<images * 27648).map(pattern)))
  }

  @Test func columnsComeBeforeRows() throws {
    try write("train_X.bin", images: 2)
    try folder.write("train_y.bin", Data([10, 1]))
    try folder.write("class_names.txt", Data((0..<10).map { "class \($0)\n" }.joined().utf8))
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.summary == "2 images, 10 classes, STL-10 binary, train split")
    #expect(dataset.labels == [9, 0])
    #expect(dataset.classNames[9] == "class 9")
    // numpy.fromfile(f, uint8).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1), the transform of the set's page.
    let pixel = try dataset.image(1)[5, 7]
    let start = 27648 + 5 * 96 + 7
    #expect([pixel.red, pixel.green, pixel.blue] == [0, 9216, 18432].map { pattern(start + $0) })
  }

  @Test func unlabelledImagesAreGivenByTheirFile() throws {
    try write("unlabeled_X.bin", images: 2)
    #expect(
      folder.message("/unlabeled_X.bin") == "opened: 2 images, no labels, STL-10 binary")
    #expect(
      folder.message()
        == "F has no train_X.bin; for the images without labels give F/unlabeled_X.bin")
    #expect(folder.message(split: .test) == "F has no test part: test_X.bin not found")
    try write("train_X.bin", images: 2)
    #expect(folder.message() == "opened: 2 images, no labels, STL-10 binary, train split")
  }

  @Test func sizesAndLabelsAreChecked() throws {
    try folder.write("test_X.bin", Data(count: 27647))
    #expect(
      folder.message(split: .test)
        == "F/test_X.bin: 27647 bytes are not a whole number of STL-10's pictures of 27648 bytes; fetch or unpack the file "
        + "again")
    try write("test_X.bin", images: 2)
    try folder.write("test_y.bin", Data([1, 11]))
    #expect(folder.message(split: .test) == "F/test_y.bin: image 1 has the label 11, and STL-10 has 1 to 10")
    try folder.write("test_y.bin", Data([1]))
    #expect(
      folder.message(split: .test)
        == "F/test_y.bin has 1 labels for 2 images; fetch or copy both files again")
  }
}

@Suite struct SVHNTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: ["svhn packed", "svhn plain", "svhn double"])
  func croppedDigitsAreRead(_ fixture: String) throws {
    try folder.write("train_32x32.mat", fixture: fixture)
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.summary == "3 images, 10 classes, SVHN cropped digits, train split")
    // 10 stands for the digit 0.
    #expect(dataset.labels == [1, 0, 9])
    #expect(try dataset.image(1).pixels == SetFixtures.expected("svhn pixels"))
    #expect(dataset.name(2) == "train_32x32.mat#2")
    #expect(folder.message(split: .test) == "F has no test part: test_32x32.mat not found")
    #expect(
      folder.message("/train_32x32.mat") == "opened: 3 images, 10 classes, SVHN cropped digits")
  }

  @Test func otherMatlabFilesAreNamed() throws {
    try folder.write("a.mat", fixture: "other mat")
    #expect(
      folder.message("/a.mat")
        == "F/a.mat holds a, text, cell; of MATLAB's files only SVHN's cropped digits are read, with X and y")
    try folder.write("b.mat", Data("MATLAB 7.3 MAT-file".utf8) + Data(count: 200))
    #expect(
      folder.message("/b.mat")
        == "F/b.mat: this is a MATLAB file of version 7.3 (HDF5), which is not read; save it with '-v7'")
    try folder.write("c.mat", Data(count: 20))
    #expect(
      folder.message("/c.mat")
        == "F/c.mat is damaged: as a MATLAB file, it is shorter than its header. Copy or download it again.")
    let whole = try SetFixtures.file("svhn packed")
    try folder.write("d.mat", whole.dropLast(5))
    #expect(
      folder.message("/d.mat")
        == "F/d.mat is damaged: as a MATLAB file, it ends in the middle of an element. Copy or download it again."
    )
  }

  /// An array that a small file unpacks to: refused by the size that its header states.
  @Test func aPackedArraysLimitComesBeforeItsMemory() throws {
    let path = try folder.write("train_32x32.mat", fixture: "svhn packed")
    let format = try #require(SVHNFiles(try DatasetLocation(folder.path)))
    var limits = ArrayLimits()
    limits.bytes = 215
    let error = #expect(throws: DatasetError.self) { try format.open(path, split: nil, limits) }
    #expect(
      error?.description.replacing(folder.path, with: "F")
        == "F/train_32x32.mat is over a limit of this program: X unpacks to 216 bytes, over the limit of 215 for a file of "
        + "this size")
    limits.bytes = 216
    #expect(try format.open(path, split: nil, limits).count == 3)
    (limits.ratio, limits.allowance) = (0, 215)
    #expect(throws: DatasetError.self) { try format.open(path, split: nil, limits) }
  }
}

@Suite struct NumpyImageTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: ["rgb npz", "stored npz"]) func medMNISTIsRead(_ fixture: String) throws {
    let path = try folder.write("set.npz", fixture: fixture)
    let train = try Dataset.open(path)
    // Class 3 occurs among the validation images only.
    #expect(train.summary == "5 images, 4 classes, numpy arrays, train split")
    #expect(train.labels == [2, 0, 1, 1, 0])
    let image = try train.image(3)
    #expect((image.width, image.height) == (6, 4))
    #expect(image.pixels == (try SetFixtures.expected("rgb pixels")))
    #expect(train.name(3) == "train_images#3")
    let test = try Dataset.open(path, split: .test)
    #expect(test.labels == [1, 0])
    #expect(test.classNames == train.classNames)
  }

  @Test func kerasArraysAreReadAndGrayFillsAllChannels() throws {
    let path = try folder.write("mnist.npz", fixture: "keras npz")
    let train = try Dataset.open(path)
    #expect(train.labels == [7, 1, 0, 2])
    #expect(try train.image(2).pixels == SetFixtures.expected("gray pixels"))
    #expect(try Dataset.open(path, split: .test).classNames.count == 8)
  }

  @Test func theOrderOfColumnsIsFollowed() throws {
    let path = try folder.write("f.npz", fixture: "fortran npz")
    #expect(try Dataset.open(path).image(3).pixels == SetFixtures.expected("rgb pixels"))
    #expect(
      folder.message("/f.npz", split: .test) == "F/f.npz has no test part: test_images, x_test not found")
  }

  @Test func severalLabelsAnImageAreSaid() throws {
    try folder.write("chest.npz", fixture: "multi npz")
    #expect(
      folder.message("/chest.npz")
        == "opened: 4 images, no labels, numpy arrays (14 labels an image, so no class), train split")
  }

  @Test func otherArraysAreNamed() throws {
    for name in ["volume", "float", "object", "other"] {
      try folder.write("\(name).npz", fixture: "\(name) npz")
    }
    #expect(
      folder.message("/volume.npz")
        == "F/volume.npz: train_images has the shape (2, 4, 4, 4), and images are N x height x width, gray, or N x height "
        + "x width x 3; volumes are not read")
    #expect(
      folder.message("/float.npz")
        == "F/float.npz: train_images holds float32, and images are read as uint8; save them as (x * "
        + "255).astype('uint8') or the like")
    #expect(
      folder.message("/object.npz")
        == "F/object.npz: train_images.npy holds Python objects, and only arrays of numbers are read")
    #expect(
      folder.message("/other.npz")
        == "F/other.npz holds a, b; train_images and train_labels are read, and test_images and test_labels, or x_train, "
        + "y_train and so on")
  }

  @Test func aPackedArraysLimitComesBeforeItsMemory() throws {
    let path = try folder.write("set.npz", fixture: "rgb npz")
    let format = try #require(NumpyImages(try DatasetLocation(path)))
    var limits = ArrayLimits()
    limits.bytes = 359
    let error = #expect(throws: DatasetError.self) { try format.open(path, .train, limits) }
    #expect(
      error?.description.replacing(folder.path, with: "F")
        == "F/set.npz is over a limit of this program: train_images.npy unpacks to 360 bytes, over the limit of 359 for a "
        + "file of this size")
    limits.bytes = 360
    #expect(try format.open(path, .train, limits).count == 5)
  }

  /// A header that promises more than the file holds, in a stored entry and in a packed one.
  @Test(arguments: ["rgb npz", "stored npz"]) func sizesMustAgree(_ fixture: String) throws {
    let file = try SetFixtures.file(fixture)
    #expect(folder.message("/none.npz") == "F/none.npz does not exist; check the path")
    try folder.write("cut.npz", file.dropLast(40))
    #expect(
      folder.message("/cut.npz")
        == "F/cut.npz is damaged: as a zip file, it has no list of contents: it was cut off. Copy or download it again."
    )
    guard fixture == "stored npz" else { return }
    let shape = Data("(5, 4, 6, 3)".utf8)
    let place = try #require(file.range(of: shape))
    try folder.write(
      "long.npz", file[..<place.lowerBound] + Data("(9, 4, 6, 3)".utf8) + file[place.upperBound...])
    #expect(
      folder.message("/long.npz")
        == "F/long.npz is damaged: train_images.npy has 360 bytes for the shape [9, 4, 6, 3] of uint8. Copy or download it "
        + "again.")
    try folder.write(
      "huge.npz", file[..<place.lowerBound] + Data("(9E4, 6, 3) ".utf8) + file[place.upperBound...])
    #expect(
      folder.message("/huge.npz")
        == "F/huge.npz is damaged: the header of train_images.npy is none of numpy's. Copy or download it again."
    )
  }
}
