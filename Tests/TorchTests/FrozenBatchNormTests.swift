import Foundation
import Testing
import TestSupport
@testable import Torch

@Suite struct FrozenBatchNorm {
  private func layer(_ dtype: DType = .float64) -> FrozenBatchNorm2d {
    let layer = FrozenBatchNorm2d(3)
    layer.convert(to: dtype)
    withNoGrad {
      for (salt, entry) in layer.state.enumerated() {
        let values = formula(salt: salt, shape: [3])
        entry.tensor.copy(from: entry.name == "running_var" ? values + 2 : values)
      }
    }
    return layer
  }

  /// y = (x − μ) · w / √(σ² + 1e-5) + b, and its gradient with regard to x is w / √(σ² + 1e-5).
  @Test(arguments: [DType.float64, .float32], [MemoryLayout4D.contiguous, .channelsLast])
  func itIsAnAffineMapOfEachChannelInBothModes(dtype: DType, layout: MemoryLayout4D) {
    for isTraining in [true, false] { expectAffineMap(dtype, layout, isTraining: isTraining) }
  }

  private func expectAffineMap(_ dtype: DType, _ layout: MemoryLayout4D, isTraining: Bool) {
    let layer = layer(dtype)
    layer.train(isTraining)
    let x = formula(salt: 9, shape: [2, 3, 4, 5]).to(dtype).contiguous(layout).detached().clone()
    x.requiresGrad = true
    let y = layer(x)
    y.sum().backward()
    let (w, b, mean, variance) = (
      layer.weight.tensor.array(of: Double.self), layer.bias.tensor.array(of: Double.self),
      layer.runningMean.tensor.array(of: Double.self), layer.runningVar.tensor.array(of: Double.self)
    )
    let scales = zip(w, variance).map { $0 / ($1 + 1e-5).squareRoot() }
    func perPixel(_ value: (_ channel: Int, _ index: Int) -> Double) -> [Double] {
      (0..<120).map { value($0 / 20 % 3, $0) }
    }
    let inputs = x.array(of: Double.self)
    let expected = perPixel { channel, index in (inputs[index] - mean[channel]) * scales[channel] + b[channel]
    }
    // Values below 4; float32 rounds a few times by 2⁻²⁴ of that.
    let tolerance = dtype == .float64 ? 1e-14 : 2e-6
    #expect(distance(y.array(of: Double.self), expected) < tolerance)
    #expect(
      distance(x.gradient?.array(of: Double.self) ?? [], perPixel { channel, _ in scales[channel] })
        < tolerance)
    #expect(
      distance(layer.batchNormReLU(x).array(of: Double.self), expected.map { max(0, $0) }) < tolerance)
    let sums = zip(expected, inputs).map { max(0, $0 + $1) }
    #expect(distance(layer.batchNormAddReLU(x, x.detached()).array(of: Double.self), sums) < tolerance)
  }

  @Test func nothingInItLearnsOrMoves() {
    let layer = layer()
    #expect(layer.state.map(\.name) == ["weight", "bias", "running_mean", "running_var"])
    #expect(layer.state.allSatisfy { $0.kind == .buffer } && layer.parameters.isEmpty)
    let before = layer.state.map { $0.tensor.array(of: Double.self) }
    let x = formula(salt: 9, shape: [2, 3, 4, 5])
    x.requiresGrad = true
    layer(x).sum().backward()
    #expect(layer.state.map { $0.tensor.array(of: Double.self) } == before)
    #expect(layer.state.allSatisfy { $0.tensor.gradient == nil })
  }

  /// Fresh ones are the identity, but for the 1e-5.
  @Test func freshOnesKeepTheirInput() {
    let x = formula(salt: 9, shape: [2, 3, 4, 5]).to(.float32)
    #expect(distance(FrozenBatchNorm2d(3)(x), x) < 1e-5)
  }
}
