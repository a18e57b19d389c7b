import Foundation
import TestSupport
import Testing
import Torch
@testable import Weights

/// The format's own library, the Rust crate, and this reader judge the same files: `Fixtures/verdicts.py`.
@Suite struct SafetensorsVerdictTests {
  private struct Case: Decodable {
    let name: String
    /// By the crate.
    let isTaken: Bool
    let bytes: Data
  }

  /// What the crate takes and this reader does not, and why.
  private static let stricter: [String: String] = {
    let oneMeaning = "Readers differ in which one they take, so that one file could hold two models."
    let noSuchType = "A Tensor has no such elements."
    let noSuchSize = "LibTorch counts elements and strides in 63 bits."
    let loose =
      "The crate's JSON library lets it through; the format does not have it, and no writer makes it."
    // Their tensors are passed over where nothing needs them; here all are read.
    let types = ["C64", "F4"]
    return [
      "a name twice": oneMeaning, "a name twice, once escaped": oneMeaning, "a note twice": oneMeaning,
      "elements below 2^64, bytes above": noSuchSize, "a size of 2^63 and none": noSuchSize,
      "sizes whose product is 2^63 before a 0": noSuchSize,
      "no bytes in a shape of 0 and large sizes": noSuchSize,
      "65 dimensions": "LibTorch has at most 64.",
      "a truth value of 2": "LibTorch's truth values are 0 and 1; others change results.",
      "an unknown field": loose, "a tensor as a list": loose, "type as an object": loose,
      "notes of null": loose,
    ].merging(types.map { ("type \($0)", noSuchType) }) { first, _ in first }
  }()

  private static func cases() throws -> [Case] {
    let decoder = JSONDecoder()
    decoder.dataDecodingStrategy = .base64
    return try decoder.decode([Case].self, from: Data(bytes(at: fixture("safetensors-verdicts.json"))))
  }

  private func isTaken(_ bytes: Data) throws -> Bool {
    var taken = false
    try withFile(Array(bytes)) { path in
      do {
        _ = try SafetensorsFile(path).tensors()
        taken = true
      } catch is SafetensorsError {}
    }
    return taken
  }

  @Test func everyFileIsJudgedAsTheCrateJudgesIt() throws {
    let cases = try Self.cases()
    #expect(cases.count == 169 && cases.count { $0.isTaken } == 59)
    #expect(cases.count { $0.name.hasPrefix("test_") } == 19, "the crate's own tests")
    for item in cases where Self.stricter[item.name] == nil {
      let taken = try isTaken(item.bytes)
      #expect(taken == item.isTaken, "\(item.name)")
    }
  }

  @Test func whatIsJudgedMoreStrictlyIsListed() throws {
    let stricter = try Self.cases().filter { Self.stricter[$0.name] != nil }
    #expect(stricter.count == 15 && Self.stricter.count == 15)
    for item in stricter {
      let taken = try isTaken(item.bytes)
      #expect(item.isTaken && !taken, "\(item.name)")
    }
  }
}
