import Foundation
import TestSupport
import Testing
@testable import Files
@testable import Weights

/// Files of weights made to do harm, or damaged. Each is refused with its reason or is harmless; none calls, crashes or
/// takes much memory. One after the other, because the memory is that of the process.
@Suite(.serialized) enum HostileWeights {}

extension HostileWeights {
  /// Pickles that want something called, are huge, or describe tensors that are not there.
  @Suite struct PickleTests {
    // MARK: Calls

    /// Python run on these would create the file; so the test would notice a reader that calls.
    @Test(arguments: [
      ("os", "system", "touch PATH"), ("posix", "system", "touch PATH"),
      ("builtins", "eval", "open('PATH', 'w')"), ("builtins", "exec", "open('PATH', 'w')"),
      ("subprocess", "Popen", "touch PATH"), ("torch.hub", "load", "PATH"), ("runpy", "_run_code", "PATH"),
    ])
    func gadgetsAreRefusedAndNotCalled(_ module: String, _ name: String, _ argument: String) throws {
      try withFolder { folder in
        let trace = joined(folder, "called")
        var pickle = Pickle()
        let start = pickle.bytes.count
        pickle.global(module, name)
        pickle.text(argument.replacingOccurrences(of: "PATH", with: trace))
        pickle.raw([0x85])
        pickle.operations("R.")
        for bytes in [pickle.bytes, try zipFile([("x/data.pkl", pickle.bytes)])] {
          #expect(try refusal(of: bytes) == .forbidden(global: "\(module).\(name)", byte: start))
        }
        #expect(!FileManager.default.fileExists(atPath: trace))
      }
    }

    @Test func attributesCannotBeReached() throws {
      // getattr(OrderedDict, "__reduce__"), and the same by a dotted name of protocol 4.
      var first = Pickle()
      first.global("builtins", "getattr")
      first.operations(".")
      #expect(try refusal(of: first.bytes) == .forbidden(global: "builtins.getattr", byte: 2))
      var second = Pickle(version: 4)
      second.raw([0x8C, 11] + Array("collections".utf8) + [0x8C, 22] + Array("OrderedDict.__reduce__".utf8))
      second.raw([0x93])
      second.operations(".")
      #expect(
        try refusal(of: second.bytes) == .forbidden(global: "collections.OrderedDict.__reduce__", byte: 39))
      // A class of the list is no function.
      var third = Pickle()
      third.global("numpy", "ndarray")
      third.operations(")R.")
      #expect(try refusal(of: third.bytes) == .pickle("a call of a class", byte: 18))
    }

    @Test func aGadgetsTextNamesItAndSaysWhatToDo() throws {
      #expect(
        InterchangeError(path: "x.pth", problem: .forbidden(global: "os.system", byte: 2)).description
          == "x.pth asks to call os.system (byte 2 of its pickle), which weights do not need. Nothing was called. "
          + "Do not trust this file; if you do, save only its state_dict with torch.save.")
    }

    // MARK: Size

    /// Ten lists of which each holds the one before it ten times: 10^10 paths in 300 bytes.
    @Test func aMemoBombIsStoppedWhereItUnfolds() throws {
      var pickle = Pickle()
      pickle.operations("]q\u{0}")
      for level in 1...10 {
        pickle.operations("](")
        for _ in 0..<10 { pickle.raw([0x68, UInt8(level - 1)]) }
        pickle.operations("e")
        pickle.raw([0x71, UInt8(level)])
      }
      pickle.operations(".")
      // The lists that are left below the last are in the way of an end.
      #expect(
        try refusal(of: pickle.bytes) == .pickle("an end with values left over", byte: pickle.bytes.count - 1)
      )
      var tidy = Pickle()
      tidy.operations("]q\u{0}0")
      for level in 1...10 {
        tidy.operations("](")
        for _ in 0..<10 { tidy.raw([0x68, UInt8(level - 1)]) }
        tidy.operations("e")
        tidy.raw([0x71, UInt8(level)])
        tidy.operations("0")
      }
      tidy.raw([0x68, 10])
      tidy.operations(".")
      #expect(try refusal(of: tidy.bytes) == .overLimit("more than 500000 values"))
    }

    @Test func aLongTextKeptAndRepeatedIsNotCopied() throws {
      // 100 KB of text, 100,000 times: 10 GB if it were copied.
      var pickle = Pickle()
      pickle.operations("](")
      pickle.text(String(repeating: "x", count: 100_000))
      pickle.operations("q\u{1}")
      pickle.raw((0..<99_999).flatMap { _ in [0x68, 1] as [UInt8] })
      pickle.operations("e.")
      try withoutMuchMemory(48 << 20) {
        try withFile(pickle.bytes) { path in
          let file = try WeightsFile(path)
          #expect(file.entries.isEmpty)
        }
      }
    }

    @Test func aListThatHoldsItselfEnds() throws {
      var pickle = Pickle()
      pickle.operations("]q\u{1}h\u{1}a.")
      #expect(try refusal(of: pickle.bytes) == .overLimit("containers nested deeper than 32"))
    }

    @Test func deepNestingIsRefusedWithoutRecursion() throws {
      // 100,000 lists in each other; and 10,000,000, which is more objects than are made.
      for (depth, reason) in [
        (100_000, "containers nested deeper than 32"), (10_000_000, "more than 200000 objects"),
      ] {
        let bytes =
          [0x80, 2] + [UInt8](repeating: 0x5D, count: depth) + [UInt8](repeating: 0x61, count: depth - 1) + [
            0x2E
          ]
        let found = try withoutMuchMemory(96 << 20) { try refusal(of: bytes) }
        #expect(found == .overLimit(reason))
      }
      // Tuples of one, of which each is an object of its own.
      let tuples = [0x80, 2, 0x29] + [UInt8](repeating: 0x85, count: 250_000) + [0x2E]
      #expect(try refusal(of: tuples) == .overLimit("more than 200000 objects"))
    }

    @Test(arguments: [
      ("N", "more than 200000 values at once"), ("(", "more than 200000 marks"),
      ("}", "more than 200000 objects"),
    ])
    func manyValuesAreRefused(_ operation: String, _ reason: String) throws {
      let bytes = [0x80, 2] + [UInt8](repeating: Array(operation.utf8)[0], count: 5_000_000)
      let found = try withoutMuchMemory(96 << 20) { try refusal(of: bytes) }
      #expect(found == .overLimit(reason))
    }

    @Test func lengthsBeyondTheFileTakeNoMemory() throws {
      for header in [
        [0x58, 0xFF, 0xFF, 0xFF, 0xFF], [0x42, 0xFF, 0xFF, 0xFF, 0x7F],
        [0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0x96, 0, 0, 0, 0, 1, 0, 0, 0],
      ] as [[UInt8]] {
        let found = try withoutMuchMemory(16 << 20) { try refusal(of: [0x80, 4] + header + [0x2E]) }
        #expect(found == .pickle("a value that ends too late", byte: 2))
      }
      #expect(
        try refusal(of: [0x80, 4, 0x8E] + [UInt8](repeating: 0xFF, count: 8))
          == .pickle("a length above 2^63", byte: 2))
    }

    // MARK: Tensors

    @Test func tensorsOutsideTheirStorageAreRefused() throws {
      let cases: [(shape: [Int], strides: [Int], offset: Int, storage: Int, reach: Int)] = [
        ([5], [1], 0, 4, 5), ([4], [1], 1, 4, 5), ([2, 2], [4, 1], 0, 4, 6), ([1], [1], 4, 4, 5),
        ([2], [Int.max / 64], 0, 4, Int.max / 64 + 1), ([1], [1], Int.max / 64, 4, Int.max / 64 + 1),
      ]
      for (shape, strides, offset, storage, reach) in cases {
        let file = try Pickle.file(
          shape: shape, strides: strides, offset: offset, storage: storage, bytes: 16)
        guard case .pickle(let what, _) = try refusal(of: file) else {
          Issue.record("\(shape) \(strides)")
          continue
        }
        #expect(what == "a tensor that reaches to element \(reach) of a storage of \(storage)")
      }
      #expect(
        try refusal(of: Pickle.file(shape: [4], strides: [1], storage: 4, bytes: 15))
          == .damaged("the storage 0 is missing or too short"))
    }

    @Test func negativeAndOverflowingSizesAreRefused() throws {
      let cases: [(shape: [Int], strides: [Int], offset: Int)] = [
        ([-1], [1], 0), ([2], [-1], 1), ([2], [1], -1), ([1 << 32, 1 << 32], [0, 0], 0),
        ([1 << 32, 1 << 32, 0], [0, 0, 0], 0), ([3], [Int.max], 0), ([2, 2], [Int.max, Int.max], 0),
        ([2], [1], Int.max), ([Int.min], [Int.min], Int.min), ([1, 1], [1], 0),
        ([Int](repeating: 1, count: 64) + [1], [Int](repeating: 1, count: 65), 0),
      ]
      for (shape, strides, offset) in cases {
        let file = try Pickle.file(shape: shape, strides: strides, offset: offset, storage: 4, bytes: 16)
        guard case .pickle = try refusal(of: file) else {
          Issue.record("\(shape) \(strides) \(offset)")
          continue
        }
      }
    }

    /// Of protocol 5: what numpy makes of a buffer, a type, a shape and an order.
    @Test func buffersThatAreNoArrayAreRefused() throws {
      func file(shape: [Int], bytes: Int, order: String = "C", type: String = "f4", data: [UInt8]? = nil)
        -> [UInt8]
      {
        var pickle = Pickle(version: 5)
        pickle.operations("}")
        pickle.text("a")
        pickle.global("numpy._core.numeric", "_frombuffer")
        pickle.operations("(")
        pickle.raw(data ?? [0x96] + little(Int64(bytes)) + [UInt8](repeating: 0, count: bytes))
        pickle.global("numpy", "dtype")
        pickle.text(type)
        pickle.raw([0x85, 0x52])
        pickle.numbers(shape)
        pickle.text(order)
        pickle.operations("tRs.")
        return pickle.bytes
      }
      try withFile(file(shape: [2, 2], bytes: 16, order: "F")) { path in
        let tensor = try WeightsFile(path).tensor("a")
        #expect(tensor.shape == [2, 2])
      }
      for bytes in [0, 15, 17] {
        #expect(
          try refusal(of: file(shape: [2, 2], bytes: bytes))
            == .tensor("has \(bytes) bytes, not 16", name: "a"))
      }
      let cases: [([UInt8], String)] = [
        (file(shape: [-1], bytes: 4), "an array of the shape [-1]"),
        (file(shape: [1 << 32, 1 << 32], bytes: 4), "an array of the shape [4294967296, 4294967296]"),
        (file(shape: [1], bytes: 4, order: "K"), "an array whose buffer is not numpy's"),
        (file(shape: [1], bytes: 4, data: [0x4E]), "an array without data"),
      ]
      for (bytes, reason) in cases {
        guard case .pickle(let what, _) = try refusal(of: bytes) else {
          Issue.record("\(reason)")
          continue
        }
        #expect(what == reason)
      }
      // Objects are no weights: their array is passed over.
      try withFile(file(shape: [1], bytes: 8, type: "O8")) { path in
        let weights = try WeightsFile(path)
        #expect(weights.entries.isEmpty && weights.leftUnread == ["numpy.ndarray of O8"])
      }
      let huge = file(shape: [1 << 40], bytes: 4)
      let found = try withoutMuchMemory(16 << 20) { try refusal(of: huge) }
      #expect(found == .tensor("has 4 bytes, not \(4 << 40)", name: "a"))
    }

    @Test func aFewBytesSpreadOverAHugeShapeAreRefused() throws {
      // One number 2^40 times.
      let file = try Pickle.file(shape: [1 << 40], strides: [0], storage: 1, bytes: 4)
      let found = try withoutMuchMemory(16 << 20) { try refusal(of: file) }
      #expect(found == .overLimit("its tensors, up to a, would be much larger than the file itself"))
    }
  }
}
