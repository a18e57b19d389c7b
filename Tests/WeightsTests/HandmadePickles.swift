import Foundation
import TestSupport
@testable import Files
@testable import Weights

/// Writes pickles operation by operation, legal or not.
struct Pickle {
  private(set) var bytes: [UInt8]

  init(version: UInt8 = 2) { bytes = [0x80, version] }

  mutating func operations(_ text: String) { bytes += Array(text.utf8) }
  mutating func raw(_ more: [UInt8]) { bytes += more }
  mutating func global(_ module: String, _ name: String) { operations("c\(module)\n\(name)\n") }
  mutating func text(_ text: String) { raw([0x58] + little(UInt32(text.utf8.count)) + Array(text.utf8)) }
  mutating func number(_ value: Int) { raw([0x8A, 8] + little(Int64(value))) }
  mutating func numbers(_ values: [Int]) {
    operations("(")
    for value in values { number(value) }
    operations("t")
  }

  /// A float32 tensor on a storage.
  mutating func tensor(shape: [Int], strides: [Int], offset: Int, storage: Int, key: String = "0") {
    global("torch._utils", "_rebuild_tensor_v2")
    operations("((")
    text("storage")
    global("torch", "FloatStorage")
    text(key)
    text("cpu")
    number(storage)
    operations("tQ")
    number(offset)
    numbers(shape)
    numbers(strides)
    raw([0x89])
    operations("}tR")
  }

  /// `{"a": tensor}` as a file of torch.save, with the storage's bytes.
  static func file(shape: [Int], strides: [Int], offset: Int = 0, storage: Int, bytes count: Int) throws
    -> [UInt8]
  {
    var pickle = Pickle()
    pickle.operations("}")
    pickle.text("a")
    pickle.tensor(shape: shape, strides: strides, offset: offset, storage: storage)
    pickle.operations("s.")
    return try zipFile([
      ("x/data.pkl", pickle.bytes), ("x/data/0", [UInt8](repeating: 0, count: count)), ("x/version", [0x33]),
    ])
  }
}

/// The reason a file of weights is refused for, at the latest when its tensors are read.
func refusal(of bytes: [UInt8]) throws -> InterchangeError.Problem {
  var problem = InterchangeError.Problem.unknownFormat
  try withFile(bytes) { path in
    problem =
      try failure(InterchangeError.self) {
        let file = try WeightsFile(path)
        for entry in file.entries { _ = try file.tensor(entry.name) }
      }.problem
  }
  return problem
}
