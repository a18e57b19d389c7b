import Foundation
import Testing
import TestSupport
import Torch
@testable import Models

/// A value of a JSON file, read by name: `json.rpn.nms_thresh.double`. What is not there is `isNull`.
@dynamicMemberLookup
struct JSON: @unchecked Sendable {  // of values that nobody changes
  let value: Any?

  subscript(dynamicMember name: String) -> JSON { self[name] }
  subscript(name: String) -> JSON { JSON(value: (value as? [String: Any])?[name]) }
  subscript(index: Int) -> JSON { JSON(value: (value as? [Any])?[index]) }

  var isNull: Bool { value == nil || value is NSNull }
  var list: [JSON] { (value as? [Any] ?? []).map { JSON(value: $0) } }
  var keys: [String] { (value as? [String: Any] ?? [:]).keys.sorted() }
  var string: String? { value as? String }
  var double: Double? { (value as? NSNumber)?.doubleValue }
  var int: Int? { (value as? NSNumber)?.intValue }
  var bool: Bool? { (value as? NSNumber)?.boolValue }
  var ints: [Int] { list.compactMap(\.int) }
  /// All numbers in lists of lists, in order.
  var doubles: [Double] { double.map { [$0] } ?? list.flatMap(\.doubles) }
  var pixels: Size2D { Size2D(height: ints[0], width: ints[1]) }
  var strings: [String] { list.compactMap(\.string) }

  /// Boxes and the like, float64; `columns` each.
  func rows(_ columns: Int) -> Tensor {
    let numbers = doubles
    return Tensor(numbers, shape: [numbers.count / columns, columns])
  }
}

/// The reference numbers of published detectors, made with detectron2 0.6: all files below the folder `TRANSFER_CASES`, or
/// the few small ones beside these tests.
enum Transfer {
  static let files: [JSON] = {
    let own = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/transfer").path
    let folder = ProcessInfo.processInfo.environment["TRANSFER_CASES"] ?? own
    let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { name in
      FileManager.default.contents(atPath: "\(folder)/\(name)")
        .flatMap { try? JSONSerialization.jsonObject(with: $0) }.map { JSON(value: $0) }
    }
  }()

  /// The files of a kind of part, such as `anchors`.
  static func parts(_ kind: String) -> [JSON] {
    files.filter { file in
      let name = file.case.string ?? ""
      return file.model.isNull && (name == kind || name.hasPrefix(kind + "-"))
    }
  }

  /// The files of whole detectors.
  static var detectors: [JSON] {
    files.filter { DetectorSpec.Detector(rawValue: $0.model.detector.string ?? "") != nil }
  }

  /// Prints and returns the cases of a kind's files, with their names.
  static func cases(_ kind: String) -> [JSON] {
    parts(kind).flatMap { file in
      file.cases.list.enumerated().map { index, each in
        announce("\(file.case.string ?? kind): \(each.name.string ?? "case \(index)")")
        return each
      }
    }
  }

  static func announce(_ name: String) { print("transfer case: \(name)") }
}

/// u(salt, i) in float64.
func u(_ salt: Int, _ shape: [Int]) -> Tensor { formula(salt: salt, shape: shape) }

/// Compares numbers, each within `tolerance` of its size or of `scale`, whichever is larger.
func expectClose(
  _ found: [Double], _ expected: [Double], _ tolerance: Double, scale: Double = 1, _ name: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard found.count == expected.count else {
    Issue.record("\(name): \(found.count) numbers, not \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  let worst = zip(found, expected).map { abs($0 - $1) / max(abs($1), scale) }.max() ?? 0
  #expect(worst <= tolerance, "\(name): off by \(worst)", sourceLocation: sourceLocation)
}

func expectClose(
  _ found: Tensor, _ expected: JSON, _ tolerance: Double, scale: Double = 1, _ name: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  expectClose(
    found.array(of: Double.self), expected.doubles, tolerance, scale: scale, name,
    sourceLocation: sourceLocation)
}

/// Compares a tensor with its digest: shape, sum, norm, Σ tᵢ·u(4242, i), and the first and last four numbers.
func expectDigest(
  _ tensor: Tensor, _ digest: JSON, _ tolerance: Double, _ name: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(tensor.shape == digest.shape.ints, "\(name)", sourceLocation: sourceLocation)
  let wide = tensor.detached().to(.float64)
  let count = Double(max(1, wide.count))
  let norm = digest.l2.double ?? 0
  // A sum of numbers of both signs is off by their norm's rounding, times √count.
  let spread = max(norm * count.squareRoot(), 1e-300)
  expectClose(
    [wide.norm().item()], [norm], tolerance, scale: 1e-12, "\(name) norm", sourceLocation: sourceLocation)
  expectClose(
    [wide.sum().item(), (wide * u(4242, wide.shape)).sum().item()],
    [digest.sum.double ?? .nan, digest.dot.double ?? .nan], tolerance, scale: spread, "\(name) sums",
    sourceLocation: sourceLocation)
  let numbers = wide.reshaped([-1])
  let ends = min(4, numbers.count)
  let largest = max(norm / count.squareRoot(), 1e-300)
  expectClose(
    numbers.narrowed(0..<ends), digest.first, tolerance, scale: largest, "\(name) first",
    sourceLocation: sourceLocation)
  expectClose(
    numbers.narrowed(numbers.count - ends..<numbers.count), digest.last, tolerance, scale: largest,
    "\(name) last", sourceLocation: sourceLocation)
}

/// Gives a network the weights of `parameters`: rows of name, shape, salt and gain.
func setParameters(_ rows: [JSON], of tensors: [String: Tensor]) {
  withNoGrad {
    for row in rows {
      let (name, shape) = (row[0].string ?? "", row[1].ints)
      guard let tensor = tensors[name] else {
        Issue.record("no tensor has the name \(name)")
        continue
      }
      #expect(tensor.shape == shape, "\(name)")
      if let salt = row[2].int, let gain = row[3].double {
        let fanIn = Double(shape.dropFirst().reduce(1, *))
        tensor.copy(from: u(salt, shape) * (gain * (6 / fanIn).squareRoot()))
      } else {
        tensor.fill(name.hasSuffix("weight") ? 1 : 0)
      }
    }
  }
}
