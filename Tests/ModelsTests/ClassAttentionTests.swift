import Foundation
import TestSupport
import Testing
import Torch
@testable import Models

@Suite struct ClassAttention {
  private static let (tokens, width) = (5, 192)

  /// In float64, for images of 2×2 patches, with biases that are not 0.
  private func makeNetwork(heads: Int, pooling: Pooling = .token) -> VisionTransformer {
    let network = VisionTransformer(
      .vitMini, imageSize: 8, heads: heads, pooling: pooling, using: Generator(seed: 1))
    network.convert(to: .float64)
    network.train(false)
    withNoGrad {
      for entry in network.state where entry.name.hasSuffix("attn.qkv.bias") {
        entry.tensor.copy(from: formula(salt: 3, shape: entry.tensor.shape))
      }
    }
    return network
  }

  private let images = formula(salt: 7, shape: [2, 3, 8, 8])

  /// By brute force on the projected tokens. The same weights also give the output of the fused kernel.
  @Test(arguments: [12, 3])
  func weightsAreTheSoftmaxOfScaledProducts(heads: Int) throws {
    let (tokens, width, size) = (Self.tokens, Self.width, Self.width / heads)
    let network = makeNetwork(heads: heads)
    let last = network.blocks[3].attn
    let (weights, qkv, fused) = withNoGrad {
      let x = network.blocks[3].norm1(network.tokens(images, stage: 3))  // N×L×C
      return (network.classAttention(images), last.qkv(x), last(x).selected(0, dim: 1))
    }
    #expect(weights.shape == [2, heads, tokens] && weights.dtype == .float64)
    let (ours, parts): ([Double], [Double]) = (weights.array(), qkv.array())
    func value(_ part: Int, image: Int, place: Int, channel: Int) -> Double {
      parts[((image * tokens + place) * 3 + part) * width + channel]
    }
    var mixed = [Double](repeating: 0, count: 2 * width)  // v, weighted
    for image in 0..<2 {
      for head in 0..<heads {
        let channels = head * size..<(head + 1) * size
        let exponentials = (0..<tokens).map { place -> Double in
          let product = channels.reduce(0.0) { sum, channel in
            sum + value(0, image: image, place: 0, channel: channel)
              * value(1, image: image, place: place, channel: channel)
          }
          return exp(product / Double(size).squareRoot())
        }
        let sum = exponentials.reduce(0, +)
        for place in 0..<tokens {
          let weight = exponentials[place] / sum
          // Float64; sums of at most 64 products near 1 in another order.
          #expect(abs(ours[(image * heads + head) * tokens + place] - weight) < 1e-12)
          for channel in channels {
            mixed[image * width + channel] += weight * value(2, image: image, place: place, channel: channel)
          }
        }
      }
    }
    let output = withNoGrad { last.proj(Tensor(mixed, shape: [2, width])) }
    let (brute, kernel): ([Double], [Double]) = (output.array(), fused.array())
    #expect(zip(brute, kernel).allSatisfy { abs($0 - $1) < 1e-11 })
  }

  @Test func rowsSumToOneAndDiffer() {
    let weights = withNoGrad { makeNetwork(heads: 12).classAttention(images) }
    let sums: [Double] = weights.sum(dim: 2).array()
    #expect(sums.count == 24 && sums.allSatisfy { abs($0 - 1) < 1e-12 })  // rounding of five numbers
    let rows: [Double] = weights.array()
    // No even shares, or the test above would say little.
    #expect(rows.max() ?? 0 > 0.22 && rows.min() ?? 1 < 0.18)
  }

  /// A network whose features are the mean of the patches has the token all the same.
  @Test func itIsTheSameHoweverFeaturesArePooled() {
    let weights = [Pooling.token, .average].map { pooling in
      withNoGrad { makeNetwork(heads: 12, pooling: pooling).classAttention(images).array(of: Double.self) }
    }
    #expect(weights[0] == weights[1])
  }
}
