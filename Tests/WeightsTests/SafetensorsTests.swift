import Foundation
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

@Suite struct SafetensorsTests {
  /// As `Fixtures/make.py` has them.
  private static let floats: [Float] = [0, 0.5, -1, 1.5, 2, 1e-3]
  private static let oddName = "quote \" back \\ tab \t bell \u{7} ä 漢 😀"

  @Test func readsEveryElementTypeThatTheFormatsLibraryWrote() throws {
    let file = try SafetensorsFile(fixture("all-types.safetensors"))
    let tensors = try file.tensors()
    #expect(tensors.count == 10)
    #expect(file.metadata == ["note": "a \"quoted\" line\nand ünï"])

    let weight = try #require(tensors["layer.weight"])
    #expect(weight.shape == [2, 3])
    #expect(weight.array() == Self.floats)
    #expect(tensors["flags"]?.array() == [true, false, true])
    #expect(tensors["pixels"]?.shape == [1, 2, 2])
    #expect(tensors["pixels"]?.array() == [0, 127, 128, 255] as [UInt8])
    #expect(tensors["count"]?.shape == [])
    #expect(tensors["count"]?.array() == [-1 << 40] as [Int])
    #expect(tensors["double"]?.array() == [0.1, -1e300])
    #expect(tensors["half"]?.dtype == .float16)
    #expect(tensors["half"]?.array() == [1.5, -65504] as [Float])
    #expect(tensors["brain"]?.dtype == .bfloat16)
    #expect(tensors["brain"]?.array() == [1, -2.5, 0.15625] as [Float])
    #expect(tensors["empty"]?.shape == [0, 4])
    #expect(tensors[Self.oddName]?.array() == [42] as [UInt8])
  }

  @Test(arguments: ["all-types.safetensors", "plain.safetensors"])
  func writesTheBytesOfTheFormatsLibrary(name: String) throws {
    let file = try SafetensorsFile(fixture(name))
    let tensors = try file.tensors().map { (name: $0.key, tensor: $0.value) }
    try withFolder { folder in
      let path = joined(folder, "again.safetensors")
      try Safetensors.write(tensors.shuffled(), metadata: file.metadata, to: path)
      #expect(try bytes(at: path) == bytes(at: fixture(name)))
      #expect(try names(in: folder) == ["again.safetensors"])
    }
  }

  @Test func storesRowMajorOrderWhateverTheLayoutInMemory() throws {
    let images = Tensor((0..<24).map(Float.init), shape: [1, 2, 3, 4])
    try withFolder { folder in
      let path = joined(folder, "x.safetensors")
      let parts = [
        (name: "last", tensor: images.contiguous(.channelsLast)),
        (name: "narrow", tensor: images.narrowed(1..<3, dim: 3)),
      ]
      try Safetensors.write(parts, to: path)
      let read = try SafetensorsFile(path)
      #expect(try read.tensor("last").array(of: Float.self) == images.array(of: Float.self))
      #expect(try read.tensor("narrow").shape == [1, 2, 3, 2])
      let columns: [Float] = [1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22]
      #expect(try read.tensor("narrow").array(of: Float.self) == columns)
    }
  }

  @Test func replacesAFileAndWritesAnEmptyOne() throws {
    try withFolder { folder in
      let path = joined(folder, "x.safetensors")
      try Safetensors.write([("a", .ones([3]))], to: path)
      try Safetensors.write([], to: path)
      #expect(try bytes(at: path) == file("{}      "))
      #expect(try SafetensorsFile(path).entries.isEmpty)
    }
  }

  @Test func aFailedWriteLeavesNothingBehind() throws {
    try withFolder { folder in
      let taken = joined(folder, "folder")
      try FileManager.default.createDirectory(
        atPath: joined(taken, "full"), withIntermediateDirectories: true)
      let error = try failure(FileError.self) { try Safetensors.write([("a", .ones([3]))], to: taken) }
      #expect(error.operation == .write && error.code == EISDIR)
      #expect(try names(in: folder) == ["folder"])

      let nowhere = joined(folder, "none/x.safetensors")
      let missing = try failure(FileError.self) { try Safetensors.write([], to: nowhere) }
      #expect(
        missing.description
          == "cannot open \(folder)/none/x.safetensors: there is no such file or folder. Check the path."
      )
    }
  }

  @Test(.enabled(if: FileManager.default.isWritableFile(atPath: "/dev/full"), "there is no /dev/full here"))
  func aFullDiskIsNamed() throws {
    let error = try failure(FileError.self) {
      _ = try Safetensors.write(
        [("a", .ones([3]))], metadata: [:], with: FileWriter("/dev/full", isNew: false))
    }
    #expect(error.isDiskFull)
    #expect(
      error.description
        == "cannot write /dev/full: the disk is full. Free space on it, or choose a folder on another disk.")
  }

  @Test func aTensorThatIsNotThereIsNamed() throws {
    let error = try failure(SafetensorsError.self) {
      _ = try SafetensorsFile(fixture("plain.safetensors")).tensor("b")
    }
    #expect(error.problem == .missing && error.tensor == "b")
  }

  /// The other tensor is a hole of 64 GiB in the file.
  @Test func readsOneTensorWithoutTheOthers() throws {
    let json =
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      + "\"b\":{\"dtype\":\"U8\",\"shape\":[68719476736],\"data_offsets\":[8,68719476744]}}"
    let head = file(json, data: 8)
    try withFile(head) { path in
      try #require(truncate(path, off_t(head.count + (1 << 36))) == 0)
      #expect(try SafetensorsFile(path).tensor("a").array() == [0, 0] as [Float])
    }
  }

  @Test func onlyRegularFilesAreOpened() throws {
    #expect(throws: FileError(.read, "/dev/zero", code: EINVAL)) { try SafetensorsFile("/dev/zero") }
    try withFolder { folder in
      #expect(throws: FileError(.read, folder, code: EISDIR)) { try SafetensorsFile(folder) }
    }
  }
}
