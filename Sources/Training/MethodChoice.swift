import Backbones
import MomentumContrast
import Torch

extension RunConfig {
  /// The method with fresh weights, drawn from the seed: the same in every rank.
  func makeMethod(on device: Device, ranks: ProcessGroup) -> any Method {
    let generator = Generator(seed: seed)
    // Keys are drawn first, then f_q; what f_k draws is overwritten by a copy of f_q.
    let queue = KeyQueue(capacity: mocoK, dimension: mocoDim, on: device, using: generator)
    return MoCo(mocoSettings, queue: queue, seed: seed, ranks: ranks) {
      let encoder = makeEncoder(on: device, using: generator)
      if syncBN { encoder.synchronizeBatchNorm(over: ranks) }
      return encoder
    }
  }

  var mocoSettings: MoCo.Settings {
    MoCo.Settings(
      queueSize: mocoK, dimension: mocoDim, momentum: mocoM, temperature: mocoT, bnGroups: bnSplits,
      syncBN: syncBN, symmetric: symmetric)
  }

  func makeOptimizer(_ parameters: [Tensor]) -> any Optimizer {
    SGD(parameters, momentum: momentum, weightDecay: wd)
  }

  /// An encoder with fresh weights.
  public func makeEncoder(on device: Device, using generator: Generator) -> any Backbone {
    let encoder = arch.makeBackbone(
      head: mlp ? MoCoV2.head(dimension: mocoDim) : MoCoV1.head(dimension: mocoDim), stem: stem,
      imageSize: imageSize, bnGroups: bnSplits, using: generator)
    encoder.move(to: device)
    return encoder
  }

  /// The query encoder as it is before the first step.
  public func makeUntrainedEncoder(on device: Device) throws -> any Backbone {
    try withTorchErrors { makeMethod(on: device, ranks: .alone).query }
  }
}
