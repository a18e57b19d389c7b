import TestSupport
import Testing
import Torch

extension MethodCase {
  /// A parameter's name, shape and salt.
  struct Parameter {
    let name: String
    let shape: [Int]
    let salt: Int?

    /// Float64. With a salt u·√(6/fan-in), fan-in being the product of all dimensions but the first; without, a weight
    /// is 1 and everything else 0.
    var start: Tensor {
      guard let salt else { return .full(name.hasSuffix("weight") ? 1 : 0, shape, dtype: .float64) }
      let fanIn = Double(shape.dropFirst().reduce(1, *))
      return formula(salt: salt, shape: shape) * (6 / fanIn).squareRoot()
    }
  }

  /// A tensor in a few numbers: those of `dot` are Σ tᵢ·u(4242, i); `first` and `last` four elements.
  struct Digest {
    let name: String
    let shape: [Int]
    let sum: Double
    let l2: Double
    let dot: Double
    let first: [Double]
    let last: [Double]
  }
}

/// ⌊(u(salt, i) + 1)/2 · n⌋, row-major.
func wholeNumbers(salt: Int, shape: [Int], below n: Int) -> [Int] {
  formula(salt: salt, shape: shape).array(of: Double.self).map {
    Int((($0 + 1) / 2 * Double(n)).rounded(.down))
  }
}

/// Compares a number with a file's.
/// - Parameters:
///   - relative: Two correct programs in float64 agree to about 1e-12; 1e-8 leaves room for another order of summation
///     amplified over the steps, and none for a mistake.
///   - scale: What the difference is relative to, if that is more than the number itself. A number of 0 in the files is
///     one below 1e-9: without a scale, ours has to be so too.
func expectClose(
  _ ours: Double, _ theirs: Double, relative: Double = 1e-8, scale: Double = 0,
  _ what: @autoclosure () -> String, sourceLocation: SourceLocation = #_sourceLocation
) {
  let allowed = max(relative * max(abs(theirs), scale), theirs == 0 ? 1e-9 : 0)
  #expect(
    abs(ours - theirs) <= allowed, "\(what()): \(ours), published \(theirs)", sourceLocation: sourceLocation)
}

/// Compares lists of numbers, each as ``expectClose(_:_:relative:scale:_:sourceLocation:)`` does.
func expectClose(
  _ ours: [Double], _ theirs: [Double], relative: Double = 1e-8, scale: Double = 0,
  _ what: @autoclosure () -> String, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(ours.count == theirs.count, "\(what()): the number of values", sourceLocation: sourceLocation)
  for (number, (a, b)) in zip(ours, theirs).enumerated() {
    expectClose(
      a, b, relative: relative, scale: scale, "\(what())[\(number)]", sourceLocation: sourceLocation)
  }
}

/// Compares numbers by name; neither side may have one that the other lacks.
func expectClose(
  _ ours: [String: Double], _ theirs: [String: Double], relative: Double = 1e-8,
  _ what: @autoclosure () -> String, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(ours.keys.sorted() == theirs.keys.sorted(), "\(what())", sourceLocation: sourceLocation)
  for (name, theirs) in theirs {
    guard let ours = ours[name] else { continue }
    expectClose(ours, theirs, relative: relative, "\(what()) of \(name)", sourceLocation: sourceLocation)
  }
}

/// Compares a tensor with a digest. Sums may be nothing but rounding, and elements may be small among large ones: a sum
/// is compared relative to the tensor's length, an element to the root of the mean square.
func expectClose(
  _ ours: Tensor, _ theirs: MethodCase.Digest, relative: Double = 1e-8,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let ours = ours.detached().to(.float64).contiguous()
  #expect(ours.shape == theirs.shape, "\(theirs.name): the shape", sourceLocation: sourceLocation)
  guard ours.shape == theirs.shape else { return }
  func compare(_ a: Double, _ b: Double, scale: Double, _ part: String) {
    expectClose(
      a, b, relative: relative, scale: scale, "\(theirs.name): \(part)", sourceLocation: sourceLocation)
  }
  compare(ours.norm().item(), theirs.l2, scale: 0, "l2")
  compare(ours.sum().item(), theirs.sum, scale: theirs.l2, "sum")
  compare((ours * formula(salt: 4242, shape: ours.shape)).sum().item(), theirs.dot, scale: theirs.l2, "dot")

  let values = ours.array(of: Double.self)
  let mean = theirs.l2 / Double(max(values.count, 1)).squareRoot()
  for (i, value) in theirs.first.enumerated() { compare(values[i], value, scale: mean, "element \(i)") }
  for (i, value) in theirs.last.enumerated() {
    let place = values.count - theirs.last.count + i
    compare(values[place], value, scale: mean, "element \(place)")
  }
}
