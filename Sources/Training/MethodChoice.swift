import Backbones
import MomentumContrast
import Torch

extension RunConfig {
  /// The method with fresh weights, drawn from the seed: the same in every rank.
  func makeMethod(on device: Device, ranks: ProcessGroup) -> any Method {
    let generator = Generator(seed: seed)
    func encoder() -> any Backbone {
      let encoder = makeEncoder(on: device, using: generator)
      if syncBN { encoder.synchronizeBatchNorm(over: ranks) }
      return encoder
    }
    if method == .mocoV3 {
      let predictor = mocoV3Settings.predictor.makeLayers(inputs: mocoDim, using: generator)
      predictor.move(to: device)
      if syncBN { predictor.synchronizeBatchNorm(over: ranks) }
      return MoCoV3(mocoV3Settings, predictor: predictor, ranks: ranks, encoder: encoder)
    }
    // Keys are drawn first, then f_q; what f_k draws is overwritten by a copy of f_q.
    let queue = KeyQueue(capacity: mocoK, dimension: mocoDim, on: device, using: generator)
    return MoCo(mocoSettings, queue: queue, seed: seed, ranks: ranks, encoder: encoder)
  }

  var mocoV3Settings: MoCoV3.Settings {
    var settings = arch.isTransformer ? MoCoV3.Settings.transformer : .resNet
    settings.dimension = mocoDim
    settings.hidden = mocoMlpDim
    settings.temperature = mocoT
    return settings
  }

  var mocoSettings: MoCo.Settings {
    MoCo.Settings(
      queueSize: mocoK, dimension: mocoDim, momentum: mocoM, temperature: mocoT, bnGroups: bnSplits,
      syncBN: syncBN, symmetric: symmetric)
  }

  func makeOptimizer(_ parameters: [Tensor]) -> any Optimizer {
    switch optimizer {
    case .sgd: SGD(parameters, momentum: momentum, weightDecay: wd)
    case .lars: LARS(parameters, momentum: momentum, weightDecay: wd)
    case .adamw: AdamW(parameters, weightDecay: wd)
    }
  }

  /// An encoder with fresh weights.
  public func makeEncoder(on device: Device, using generator: Generator) -> any Backbone {
    let encoder = arch.makeBackbone(
      head: head, stem: stem, imageSize: imageSize, bnGroups: bnSplits, zeroResiduals: method == .mocoV3,
      freezesProjection: stopGradConv1, using: generator)
    encoder.move(to: device)
    return encoder
  }

  private var head: Head {
    switch method {
    case .moco: mlp ? MoCoV2.head(dimension: mocoDim) : MoCoV1.head(dimension: mocoDim)
    case .mocoV3: mocoV3Settings.projector
    }
  }

  /// The query encoder as it is before the first step.
  public func makeUntrainedEncoder(on device: Device) throws -> any Backbone {
    try withTorchErrors { makeMethod(on: device, ranks: .alone).query }
  }
}
