import Torch

/// How often each image comes in a pass, so that rare classes are seen more often.
///
/// Source: Gupta, Dollár and Girshick 2019 (LVIS), appendix B: a class in a share f of the images has the factor
/// max(1, √(t/f)), an image the largest of its classes.
public struct RepeatFactors: Sendable, Equatable {
  /// One for each image, at least 1.
  public let values: [Double]

  /// - Parameter threshold: t, the share of images below which a class is rare.
  public init(_ dataset: DetectionDataset, threshold: Double = 0.001) {
    self.init(
      classes: (0..<dataset.count).map(dataset.classes), classCount: dataset.classNames.count,
      threshold: threshold)
  }

  /// - Parameter classes: Of each image, each class once.
  init(classes: [[Int]], classCount: Int, threshold: Double) {
    precondition(threshold >= 0, "a share of \(threshold)")
    var images = Array(repeating: 0, count: classCount)
    for index in classes.joined() { images[index] += 1 }
    let factors = images.map { max(1, (threshold * Double(classes.count) / Double(max(1, $0))).squareRoot()) }
    values = classes.map { $0.reduce(1) { max($0, factors[$1]) } }
  }

  /// The images of a pass, each as often as it comes, ascending. The fraction of a factor is the chance of one more.
  func images(pass: Int, seed: UInt64) -> [Int] {
    var generator = CounterGenerator(seed: seed, .imageRepeats, pass)
    return values.indices.flatMap { image in
      let whole = values[image].rounded(.down)
      let more = generator.chance(values[image] - whole) ? 1 : 0
      return Array(repeating: image, count: Int(whole) + more)
    }
  }
}
