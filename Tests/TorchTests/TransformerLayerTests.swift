import TestSupport
import Testing
import Torch

/// What torch.nn.functional makes of the same inputs in float64, and the gradients of a weighted sum of it.
private struct Layers: Decodable {
  struct Layer: Decodable {
    let expected: [Double]
    let gradients: [[Double]]
  }
  struct BatchNorm: Decodable {
    let expected: [Double]
    let gradients: [[Double]]
    let runningMean, runningVar: [Double]
  }
  let layerNorm, gelu, attention: Layer
  let batchNorm: BatchNorm
}

@Suite struct TransformerLayers {
  private let reference: Layers

  init() throws { reference = try fixture("transformer.json") }

  /// Sums of a few dozen numbers around 1 in float64.
  private let tolerance = 1e-13

  private func leaf(_ x: Tensor) -> Tensor {
    x.requiresGrad = true
    return x
  }

  private func expect(_ y: Tensor, _ leaves: [Tensor], _ expected: [Double], _ gradients: [[Double]]) {
    (y * formula(salt: 9, shape: y.shape)).sum().backward()
    #expect(distance(y.array(), expected) < tolerance)
    #expect(leaves.count == gradients.count)
    for (leaf, theirs) in zip(leaves, gradients) {
      #expect(distance(leaf.gradient?.array() ?? [], theirs) < tolerance)
    }
  }

  @Test func layerNormIsPyTorchs() {
    let layer = LayerNorm(6, epsilon: 1e-6)
    layer.convert(to: .float64)
    withNoGrad {
      layer.weight.tensor.copy(from: formula(salt: 2, shape: [6]))
      layer.bias.tensor.copy(from: formula(salt: 3, shape: [6]))
    }
    let x = leaf(formula(salt: 1, shape: [2, 3, 6]))
    expect(
      layer(x), [x] + layer.parameters, reference.layerNorm.expected, reference.layerNorm.gradients)
  }

  @Test func geluIsPyTorchs() {
    let x = leaf(formula(salt: 1, shape: [4, 5]) * 3)
    expect(gelu(x), [x], reference.gelu.expected, reference.gelu.gradients)
  }

  @Test func attentionIsPyTorchs() {
    let x = (1...3).map { leaf(formula(salt: $0, shape: [2, 3, 5, 4]) * 2) }
    expect(attention(x[0], x[1], x[2]), x, reference.attention.expected, reference.attention.gradients)
  }

  @Test func batchNormOfRowsIsPyTorchs() {
    let layer = BatchNorm1d(4, affine: false)
    layer.convert(to: .float64)
    let x = leaf(formula(salt: 5, shape: [6, 4]) * 3 + 1)
    expect(layer(x), [x], reference.batchNorm.expected, reference.batchNorm.gradients)
    #expect(distance(layer.runningMean.tensor.array(), reference.batchNorm.runningMean) < tolerance)
    #expect(distance(layer.runningVar.tensor.array(), reference.batchNorm.runningVar) < tolerance)
    #expect(layer.numBatchesTracked.tensor.item() == 1)
    #expect(layer.state.map(\.name) == ["running_mean", "running_var", "num_batches_tracked"])

    layer.train(false)  // x = the running mean is 0 then
    let mean = layer.runningMean.tensor.reshaped([1, 4])
    #expect(distance(layer(mean).array(), [0, 0, 0, 0]) < tolerance)
    #expect(layer.numBatchesTracked.tensor.item() == 1)
  }

  @Test func aFixedParameterIsStateButDoesNotLearn() {
    final class Shifted: Module {
      let shift = Parameter(.ones([1]), isFixed: true)
      let scale = Parameter(.ones([1]))
      override func forward(_ x: Tensor) -> Tensor { x * scale.tensor + shift.tensor }
    }
    let module = Shifted()
    #expect(module.state.map(\.name) == ["shift", "scale"])
    #expect(module.state.map(\.kind) == [.fixed, .parameter])
    #expect(module.namedParameters.map(\.name) == ["scale"])
    module(Tensor([2.0])).sum().backward()
    #expect(module.shift.tensor.gradient == nil && module.scale.tensor.gradient != nil)
  }
}
