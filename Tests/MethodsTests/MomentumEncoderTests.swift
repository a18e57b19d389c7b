import Methods
import Models
import TestSupport
import Testing
import Torch

/// A convolution, batch normalisation and the mean over the image: N×3×H×W → N×4.
private final class TinyBackbone: Module, Backbone {
  let conv: Conv2d
  let bn = BatchNorm2d(4)
  let architecture = Architecture.resnet8  // nothing asks
  let headName = "fc"
  let stageCount = 1

  init(seed: UInt64) {
    conv = Conv2d(3, 4, kernel: 3, using: Generator(seed: seed))
    super.init()
    convert(to: .float64)
  }

  func featureMaps(_ x: Tensor) -> [Tensor] { [relu(bn(conv(x)))] }
  func features(_ x: Tensor, stage: Int?) -> Tensor { globalAveragePool2d(featureMaps(x)[0]) }
}

@Suite struct MomentumEncoders {
  private let query: ImageEncoder
  private let key: MomentumEncoder
  private let keyNorm: BatchNorm2d
  private let images = formula(salt: 9, shape: [5, 3, 6, 6])

  init() {
    let (backbone, copy) = (TinyBackbone(seed: 1), TinyBackbone(seed: 2))
    backbone.bn.runningMean.tensor.fill(0.25)
    query = ImageEncoder(backbone, head: nil)
    key = MomentumEncoder(of: query, copy: ImageEncoder(copy, head: nil))
    keyNorm = copy.bn
  }

  private func values(_ tensors: [Tensor]) -> [[Double]] { tensors.map { $0.array() } }

  /// As training does: parameters move, and a forward pass moves the running statistics.
  private func moveQuery() {
    withNoGrad {
      for (index, parameter) in query.parameters.enumerated() {
        parameter.add(formula(salt: 20 + index, shape: parameter.shape))
      }
      _ = query(images)
    }
  }

  @Test func itStartsAsACopyWithStatistics() {
    #expect(key.encoder !== query)
    #expect(values(key.encoder.state.map(\.tensor)) == values(query.state.map(\.tensor)))
    #expect(keyNorm.runningMean.tensor.array() == [0.25, 0.25, 0.25, 0.25])
  }

  /// θ_k ← m·θ_k + (1 − m)·θ_q, by plain Swift; running statistics stay where they are.
  @Test func parametersFollowAndStatisticsDoNot() {
    moveQuery()
    let before = values(key.parametersThatFollow), targets = values(query.parameters)
    let statistics = values(key.encoder.buffers)
    key.update(momentum: 0.9)
    let after = values(key.parametersThatFollow)
    #expect(after.count == 3)
    for ((old, target), new) in zip(zip(before, targets), after) {
      #expect(new.count == old.count)
      for i in new.indices { #expect(abs(new[i] - (0.9 * old[i] + 0.1 * target[i])) < 1e-15) }
    }
    #expect(values(key.encoder.buffers) == statistics)
    #expect(statistics != values(query.buffers))
    #expect(values(query.parameters) == targets)
  }

  @Test func momentumZeroCopiesAndOneStandsStill() {
    moveQuery()
    let before = values(key.parametersThatFollow)
    #expect(before != values(query.parameters))
    key.update(momentum: 1)
    #expect(values(key.parametersThatFollow) == before)
    key.update(momentum: 0)
    #expect(values(key.parametersThatFollow) == values(query.parameters))
  }

  @Test func keysHaveLengthOneAndNoGraph() {
    let keys = key.keys(images)
    #expect(keys.shape == [5, 4])
    #expect(keys.norm(dim: 1).array(of: Double.self).allSatisfy { abs($0 - 1) < 1e-14 })
    #expect(!keys.requiresGrad)
    #expect(key.parametersThatFollow.allSatisfy { !$0.requiresGrad })
    #expect(query.parameters.allSatisfy { $0.requiresGrad })
  }

  /// In training mode without gradients: the keys are normalised by their own batch, and the statistics that
  /// this moves are the key encoder's.
  @Test func itsStatisticsAreItsOwn() {
    let statistics = values(query.buffers)
    let keys = key.keys(images)
    let expected = withNoGrad { l2Normalized(query(images)) }  // the same weights, the batch's statistics
    #expect(keys.array(of: Double.self) == expected.array())
    #expect(keyNorm.numBatchesTracked.tensor.item() == 1)
    #expect(values(key.encoder.buffers) != statistics)
    #expect(values(key.encoder.buffers) == values(query.buffers))
  }
}
