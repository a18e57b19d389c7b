import Foundation
import TestSupport
import Testing
@testable import Files
@testable import Weights

/// A file that must be refused, and the reason.
struct HostileFile: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bytes: [UInt8]
  var tensor: String?
  let problem: SafetensorsError.Problem

  /// One tensor `a` with the given fields.
  private static func one(_ type: String, _ shape: String, _ offsets: String, data: Int) -> [UInt8] {
    file("{\"a\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}}", data: data)
  }

  private static func malformed(_ what: String, _ json: String, _ problem: String, byte: Int) -> HostileFile {
    HostileFile(
      testDescription: what, bytes: file(json), problem: .malformedHeader(problem, byte: 8 + byte))
  }

  private static let u8 = "\"dtype\":\"U8\",\"shape\":[2]"

  static let all: [HostileFile] = [
    .init(testDescription: "no bytes", bytes: [], problem: .truncated(needed: 8, found: 0)),
    .init(
      testDescription: "half a length", bytes: [1, 0, 0], problem: .truncated(needed: 8, found: 3)),
    .init(
      testDescription: "a header of 2^63 bytes", bytes: [0, 0, 0, 0, 0, 0, 0, 0x80],
      problem: .headerTooLong(1 << 63)),
    .init(
      testDescription: "a header above the limit", bytes: [1, 0xE1, 0xF5, 5, 0, 0, 0, 0],
      problem: .headerTooLong(100_000_001)),
    .init(
      testDescription: "a header longer than the file", bytes: [9, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D],
      problem: .truncated(needed: 17, found: 10)),
    .init(
      testDescription: "data that ends early", bytes: one("F32", "[4]", "[0,16]", data: 15),
      problem: .truncated(needed: 16, found: 15)),
    .init(
      testDescription: "data that goes on", bytes: one("F32", "[4]", "[0,16]", data: 18),
      problem: .trailingBytes(2)),
    .init(
      testDescription: "a shape above its bytes", bytes: one("F32", "[5]", "[0,16]", data: 16), tensor: "a",
      problem: .sizeMismatch(shape: [5], bytes: 16)),
    .init(
      testDescription: "a shape whose product overflows",
      bytes: one("U8", "[4294967296,4294967296,0]", "[0,0]", data: 0), tensor: "a", problem: .shapeTooLarge),
    .init(
      testDescription: "a shape that overflows with its element size",
      bytes: one("I64", "[1152921504606846976]", "[0,0]", data: 0), tensor: "a", problem: .shapeTooLarge),
    .init(
      testDescription: "an element type we lack", bytes: one("F9", "[1]", "[0,1]", data: 1), tensor: "a",
      problem: .unsupportedType("F9")),
    .init(
      testDescription: "a hole at the start", bytes: one("U8", "[2]", "[2,4]", data: 4), tensor: "a",
      problem: .misplaced(expectedStart: 0, start: 2)),
    .init(
      testDescription: "overlapping tensors",
      bytes: file("{\"a\":{\(u8),\"data_offsets\":[0,2]},\"b\":{\(u8),\"data_offsets\":[1,3]}}", data: 3),
      tensor: "b", problem: .misplaced(expectedStart: 2, start: 1)),
    .init(
      testDescription: "a hole in the middle",
      bytes: file("{\"a\":{\(u8),\"data_offsets\":[3,5]},\"b\":{\(u8),\"data_offsets\":[0,2]}}", data: 5),
      tensor: "a", problem: .misplaced(expectedStart: 2, start: 3)),
    .init(
      testDescription: "a name twice",
      bytes: file("{\"a\":{\(u8),\"data_offsets\":[0,2]},\"a\":{\(u8),\"data_offsets\":[0,2]}}", data: 2),
      tensor: "a", problem: .duplicateName),
    .init(
      testDescription: "a name twice, once with escapes",
      bytes: file(
        "{\"a\":{\(u8),\"data_offsets\":[0,2]},\"\\u0061\":{\(u8),\"data_offsets\":[2,4]}}", data: 4),
      tensor: "a", problem: .duplicateName),
    malformed("no object", "[]", "'{' is missing", byte: 0),
    malformed("an unfinished object", "{\"a\":{", "'\"' is missing", byte: 6),
    malformed("two values", "{} {}", "something after the end", byte: 3),
    malformed("a number as a note", "{\"__metadata__\":{\"a\":1}}", "'\"' is missing", byte: 21),
    malformed(
      "an unknown field", "{\"a\":{\"x\":1}}", "an unknown field x of tensor a", byte: 10),
    malformed(
      "no offsets", "{\"a\":{\(u8)}}", "tensor a without type, shape or an ordered pair of offsets", byte: 31),
    malformed(
      "offsets backwards", "{\"a\":{\(u8),\"data_offsets\":[2,0]}}",
      "tensor a without type, shape or an ordered pair of offsets", byte: 52),
    malformed("a negative size", "{\"a\":{\"shape\":[-1]}}", "no whole number below 2^63", byte: 15),
    malformed("a broken size", "{\"a\":{\"shape\":[1.5]}}", "']' is missing", byte: 16),
    malformed("a leading zero", "{\"a\":{\"shape\":[01]}}", "no whole number below 2^63", byte: 15),
    malformed(
      "a size above the machine's", "{\"a\":{\"shape\":[9223372036854775808]}}", "no whole number below 2^63",
      byte: 15),
    malformed(
      "too many dimensions",
      "{\"a\":{\"shape\":[\(Array(repeating: "1", count: 65).joined(separator: ","))]}}",
      "a list of more than 64 numbers", byte: 15 + 128),
    malformed("half a surrogate pair", "{\"\\ud83d\":{}}", "half a surrogate pair", byte: 8),
    malformed("a wrong escape", "{\"\\x\":{}}", "an unknown escape", byte: 4),
    malformed("a signed escape", "{\"\\u+0a1\":{}}", "an escape without four hexadecimal digits", byte: 4),
    malformed("a line break in a name", "{\"\n\":{}}", "a control character in a string", byte: 2),
    .init(
      testDescription: "invalid UTF-8",
      bytes: [7, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xC3, 0x28] + Array("\":1".utf8),
      problem: .malformedHeader("invalid UTF-8", byte: 8 + 5)),
  ]
}

@Suite struct HostileSafetensorsTests {
  @Test(arguments: HostileFile.all)
  func isRefusedWithItsReason(hostile: HostileFile) throws {
    try withFile(hostile.bytes) { path in
      let error = try failure(SafetensorsError.self) { _ = try SafetensorsFile(path) }
      #expect(error == SafetensorsError(path: path, tensor: hostile.tensor, problem: hostile.problem))
      #expect(error.description.hasPrefix(path))
    }
  }

  @Test func aTruthValueMustBeZeroOrOne() throws {
    var bytes = file("{\"a\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}", data: 2)
    bytes[bytes.count - 1] = 2
    try withFile(bytes) { path in
      let error = try failure(SafetensorsError.self) { _ = try SafetensorsFile(path).tensors() }
      #expect(error.problem == .invalidBool && error.tensor == "a")
    }
  }

  @Test func isRefusedWhereverItIsCutOff() throws {
    let whole = try bytes(at: fixture("all-types.safetensors"))
    for count in 0..<whole.count {
      try withFile(Array(whole[..<count])) { path in
        #expect(throws: SafetensorsError.self, "cut off after \(count) bytes") { try SafetensorsFile(path) }
      }
    }
  }

  /// A changed byte of the header gives another file or an error; it must not end the process.
  @Test func survivesEveryChangedByteOfTheHeader() throws {
    let whole = try bytes(at: fixture("all-types.safetensors"))
    let header = 8 + Int(whole[0]) + Int(whole[1]) << 8
    var refused = 0
    for position in 0..<header {
      for mask in [0x01, 0x80] as [UInt8] {
        var changed = whole
        changed[position] ^= mask
        try withFile(changed) { path in
          do {
            _ = try SafetensorsFile(path).tensors()
          } catch is SafetensorsError {
            refused += 1
          }
        }
      }
    }
    // Most of the header is structure; what may change unseen is the letters of names and notes.
    #expect(refused > header)
  }

  @Test func textsSayWhatWhereAndHowToMendIt() throws {
    func text(_ problem: SafetensorsError.Problem, tensor: String? = "conv1.weight") -> String {
      SafetensorsError(path: "x.safetensors", tensor: tensor, problem: problem).description
    }
    #expect(
      text(.unsupportedType("F4"))
        == "x.safetensors: tensor conv1.weight has the element type F4, which is not supported. "
        + "Convert it to one of F32, F64, F16, BF16, I64, I32, I16, I8, U8, BOOL, U16, U32, U64, F8_E4M3, F8_E5M2, "
        + "F8_E4M3FNUZ, F8_E5M2FNUZ, F8_E8M0.")
    #expect(
      text(.truncated(needed: 16, found: 15), tensor: nil)
        == "x.safetensors ends too early: 16 bytes are needed, 15 are there. "
        + "It is damaged: copy or export it again.")
    #expect(
      text(.malformedHeader("'{' is missing", byte: 8), tensor: nil)
        == "x.safetensors has a malformed header: '{' is missing at byte 8. "
        + "It is no safetensors file, or damaged: copy or export it again.")
  }
}
