import Foundation
import Torch

/// A random box of an image becomes noise (Zhong et al. 2020), as timm's `RandomErasing` in its mode `pixel`: after
/// normalisation, each value from N(0, 1).
public struct RandomErasing: Sendable, Equatable {
  /// The chance of each image.
  public var probability: Double
  /// The box's share of the area.
  public var area = 0.02...1.0 / 3
  /// The least ratio of the sides, which is also the reciprocal of the largest.
  public var leastAspect = 0.3

  public init(probability: Double) {
    precondition((0...1).contains(probability), "a probability of \(probability)")
    self.probability = probability
  }

  package struct Box: Equatable, Sendable {
    package let rows: Range<Int>
    package let columns: Range<Int>
  }

  /// The box in an image: ten tries to fit one in.
  /// - Parameter uniform: the next number of 0 ..< 1. A try takes the area, the logarithm of height / width, and, if it
  ///   fits, top and left.
  package func box(height: Int, width: Int, uniform: () -> Double) -> Box? {
    for _ in 0..<10 {
      let share = area.lowerBound + (area.upperBound - area.lowerBound) * uniform()
      let (low, high) = (log(leastAspect), log(1 / leastAspect))
      let aspect = exp(low + (high - low) * uniform())
      let pixels = share * Double(height * width)
      let h = Int((pixels * aspect).squareRoot().rounded(.toNearestOrEven))
      let w = Int((pixels / aspect).squareRoot().rounded(.toNearestOrEven))
      guard h < height, w < width else { continue }
      let top = Int(uniform() * Double(height - h + 1))
      let left = Int(uniform() * Double(width - w + 1))
      return Box(rows: top..<top + h, columns: left..<left + w)
    }
    return nil
  }

  /// Erases in place, N×3×H×W; the same arguments give the same boxes and noise at any time.
  /// - Parameter samples: N, whose draws they are.
  package func apply(to images: Tensor, seed: UInt64, epoch: Int, samples: [Int]) {
    guard probability > 0, images.isDefined else { return }
    let shape = images.shape
    precondition(
      shape.count == 4 && shape[0] == samples.count, "images of \(shape) for \(samples.count) samples")
    let (channels, height, width) = (shape[1], shape[2], shape[3])
    withNoGrad {
      for (row, sample) in samples.enumerated() {
        var generator = CounterGenerator(seed: seed, .erasing, epoch, sample)
        guard generator.chance(probability),
          let box = self.box(height: height, width: width, uniform: { generator.uniform() }),
          !box.rows.isEmpty, !box.columns.isEmpty
        else { continue }
        let size = [1, channels, box.rows.count, box.columns.count]
        let noise = (0..<size.reduce(1, *)).map { _ in Float(generator.normal()) }
        images.narrowed(row..<row + 1).narrowed(box.rows, dim: 2).narrowed(box.columns, dim: 3)
          .copy(from: Tensor(noise, shape: size, on: images.device))
      }
    }
  }
}
