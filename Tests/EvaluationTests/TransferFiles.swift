import Data
import Foundation
import TestSupport
import Testing
import Torch

/// A file of reference numbers: any JSON, read field by field.
/// Unchecked: the values of JSONSerialization do not change.
struct Reference: @unchecked Sendable, CustomTestStringConvertible {
  let name: String
  let value: Any?

  var testDescription: String { name }

  subscript(_ key: String) -> Reference {
    Reference(name: name, value: (value as? [String: Any])?[key])
  }
  subscript(_ place: Int) -> Reference {
    list.indices.contains(place) ? list[place] : Reference(name: name, value: nil)
  }

  var isThere: Bool { value != nil && !(value is NSNull) }
  var object: [String: Reference] {
    ((value as? [String: Any]) ?? [:]).mapValues { Reference(name: name, value: $0) }
  }
  var list: [Reference] { ((value as? [Any]) ?? []).map { Reference(name: name, value: $0) } }
  var text: String { value as? String ?? "" }
  var number: Double {
    if let number = value as? NSNumber { return number.doubleValue }
    return .nan  // null, and "nan"
  }
  var whole: Int { (value as? NSNumber)?.intValue ?? 0 }
  var numbers: [Double] { list.map(\.number) }
  var wholes: [Int] { list.map(\.whole) }
  var isText: Bool { value is String }

  /// Numbers of any nesting, in order.
  var flat: [Double] { value is [Any] ? list.flatMap(\.flat) : [number] }

  var json: Data {
    get throws { try JSONSerialization.data(withJSONObject: value ?? [], options: .fragmentsAllowed) }
  }

  // MARK: - Files

  /// All files below the folder TRANSFER_CASES, or below the committed one.
  static let all: [Reference] = {
    let committed = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/transfer")
    let folder = ProcessInfo.processInfo.environment["TRANSFER_CASES"].map { URL(filePath: $0) } ?? committed
    let paths = (FileManager.default.enumerator(atPath: folder.path())?.allObjects as? [String]) ?? []
    return paths.filter { $0.hasSuffix(".json") }.sorted().compactMap { path in
      guard let data = try? Data(contentsOf: folder.appending(path: path)),
        let value = try? JSONSerialization.jsonObject(with: data)
      else { return nil }
      return Reference(name: path, value: value)
    }
  }()
}

/// The largest distance, relative to numbers above 1; NaN only equals NaN.
func apart(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).reduce(0) { worst, pair in
    if pair.0.isNaN && pair.1.isNaN { return worst }
    let distance = abs(pair.0 - pair.1) / max(1, abs(pair.1))
    return distance.isNaN ? .infinity : max(worst, distance)
  }
}

/// The evaluators' own sums differ in the last bits by their order.
let metricTolerance = 1e-9

extension COCOFile {
  init(_ reference: Reference) throws {
    self = try withTemporaryFile(reference.json) { try COCOFile($0) }
  }
}

extension COCOResults {
  init(_ reference: Reference) throws {
    self = try withTemporaryFile(reference.json) { try COCOResults($0) }
  }
}
