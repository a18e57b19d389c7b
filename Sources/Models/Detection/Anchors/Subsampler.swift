import Torch

/// Which positives and negatives of an image the losses take, where there are too many.
public struct Subsampler: Sendable {
  private enum Rule {
    case first
    case random(seed: UInt64, step: Int, places: [Int]?)
  }

  private let rule: Rule

  /// The first by index.
  public static let first = Subsampler(rule: .first)

  private init(rule: Rule) { self.rule = rule }

  /// Draws that depend on the run's seed, the step and the image alone.
  /// - Parameter places: of the images, among those of the step on all ranks; 0, 1, 2 … unless given.
  public init(seed: UInt64, step: Int, places: [Int]? = nil) {
    rule = .random(seed: seed, step: step, places: places)
  }

  /// At most `count` in all, and of these at most the share `positiveFraction` positives. Negatives fill up what
  /// positives leave.
  /// - Parameters:
  ///   - image: its index in the batch.
  ///   - purpose: of the draw.
  func sample(
    positives: [Int], negatives: [Int], count: Int, positiveFraction: Double, image: Int,
    _ purpose: RandomPurpose
  ) -> (positives: [Int], negatives: [Int]) {
    let positiveCount = min(positives.count, Int(Double(count) * positiveFraction))
    let negativeCount = min(negatives.count, count - positiveCount)
    guard case .random(let seed, let step, let places) = rule else {
      return (Array(positives.prefix(positiveCount)), Array(negatives.prefix(negativeCount)))
    }
    if let places { precondition(image < places.count, "image \(image) of \(places.count) places") }
    var generator = CounterGenerator(seed: seed, purpose, step, places?[image] ?? image)
    return (
      Self.choose(positiveCount, of: positives, &generator),
      Self.choose(negativeCount, of: negatives, &generator)
    )
  }

  /// The first steps of a shuffle (Fisher and Yates).
  private static func choose(_ count: Int, of all: [Int], _ generator: inout CounterGenerator) -> [Int] {
    guard count < all.count else { return all }
    var left = all
    for place in 0..<count { left.swapAt(place, place + generator.index(below: left.count - place)) }
    return Array(left.prefix(count))
  }
}
