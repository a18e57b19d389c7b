import Methods
import Models
import TensorBoard
import Torch

extension RunConfig {
  /// The method with fresh weights, drawn from the seed: the same in every rank.
  /// - Parameters:
  ///   - images: of the data set, for a memory bank.
  ///   - device: Where it learns.
  ///   - ranks: the processes that train together.
  package func makeMethod(images: Int, on device: Device, ranks: ProcessGroup) -> any Method {
    let generator = Generator(seed: seed)
    func encoder() -> ImageEncoder {
      let encoder = makeEncoder(on: device, using: generator)
      if syncBN { encoder.synchronizeBatchNorm(over: ranks) }
      return encoder
    }
    func makePredictor(_ head: Head, inputs: Int) -> Module {
      let predictor = head.makeLayers(inputs: inputs, using: generator)
      predictor.move(to: device)
      if syncBN { predictor.synchronizeBatchNorm(over: ranks) }
      return predictor
    }
    // After the encoder, which must not depend on the number of images.
    func makeBank() -> MemoryBank {
      MemoryBank(images: images, dimension: mocoDim, on: bank == .cpu ? .cpu : device, using: generator)
    }
    switch (method, mechanism) {
    case (.moco, .queue):
      // Keys are drawn first, then f_q; what f_k draws is overwritten by a copy of f_q.
      let queue = KeyQueue(capacity: mocoK, dimension: mocoDim, on: device, using: generator)
      return MoCo(mocoSettings, queue: queue, seed: seed, ranks: ranks, encoder: encoder)
    case (.moco, .endToEnd):
      let settings = EndToEnd.Settings(
        temperature: mocoT, bnGroups: bnSplits, shuffles: shuffleBN && !syncBN)
      return EndToEnd(settings, seed: seed, ranks: ranks, encoder: encoder)
    case (.moco, .memoryBank):
      let (network, settings) = (encoder(), MemoryBankMoCo.Settings(negatives: mocoK, temperature: mocoT))
      return MemoryBankMoCo(settings, bank: makeBank(), seed: seed, ranks: ranks, encoder: network)
    case (.mocoV3, _):
      let predictor = makePredictor(mocoV3Settings.predictor, inputs: mocoDim)
      return MoCoV3(mocoV3Settings, predictor: predictor, ranks: ranks, encoder: encoder)
    case (.simCLR, _):
      return SimCLR(temperature: mocoT, ranks: ranks, encoder: encoder())
    case (.byol, _):
      return BYOL(predictor: makePredictor(head, inputs: mocoDim), encoder: encoder)
    case (.simSiam, _):
      let predictor = makePredictor(SimSiam.predictor(outputs: mocoDim), inputs: mocoDim)
      return SimSiam(predictor: predictor, encoder: encoder())
    case (.instDisc, _):
      let settings = InstDisc.Settings(
        estimate: mocoK < images ? .noiseContrastive(m: mocoK) : .softmax, temperature: mocoT)
      let network = encoder()
      return InstDisc(settings, bank: makeBank(), seed: seed, ranks: ranks, encoder: network)
    case (.cpc, _):
      let context = CPC.Context(dimension: mocoDim, using: generator)
      context.move(to: device)
      return CPC(context: context, encoder: encoder())
    case (.rotation, _):
      return Rotation(encoder: encoder())
    case (.jigsaw, _):
      let predictor = makePredictor(Jigsaw.classifier, inputs: 9 * mocoDim)
      return Jigsaw(predictor: predictor, seed: seed, rank: ranks.rank, encoder: encoder())
    case (.relativePosition, _):
      let predictor = makePredictor(RelativePosition.classifier, inputs: 2 * mocoDim)
      return RelativePosition(predictor: predictor, seed: seed, rank: ranks.rank, encoder: encoder())
    }
  }

  package var mocoV3Settings: MoCoV3.Settings {
    var settings = arch.isTransformer ? MoCoV3.Settings.transformer : .resNet
    settings.dimension = mocoDim
    settings.hidden = mocoMlpDim
    settings.temperature = mocoT
    return settings
  }

  package var mocoSettings: MoCo.Settings {
    MoCo.Settings(
      temperature: mocoT, bnGroups: bnSplits, shuffles: shuffleBN && !syncBN, symmetric: symmetric)
  }

  package func makeOptimizer(_ parameters: [Tensor]) -> any Optimizer {
    switch optimizer {
    case .sgd: SGD(parameters, momentum: momentum, weightDecay: wd)
    case .lars: LARS(parameters, momentum: momentum, weightDecay: wd)
    case .adamw: AdamW(parameters, weightDecay: wd)
    }
  }

  /// An encoder with fresh weights.
  package func makeEncoder(on device: Device, using generator: Generator) -> ImageEncoder {
    encoderSpec.makeEncoder(
      bnGroups: bnSplits, zeroResiduals: method == .mocoV3, freezesProjection: stopGradConv1, on: device,
      using: generator)
  }

  /// What follows the encoder's features.
  package var head: Head {
    switch method {
    case .moco, .simCLR, .instDisc, .cpc, .jigsaw, .relativePosition:
      mlp ? .mlp(outputs: mocoDim) : .linear(outputs: mocoDim)
    case .mocoV3: mocoV3Settings.projector
    case .byol: BYOL.head(hidden: mocoMlpDim, outputs: mocoDim)
    case .simSiam: SimSiam.projector(hidden: mocoMlpDim, outputs: mocoDim)
    case .rotation: Rotation.head
    }
  }

  /// The query encoder as it is before the first step. It does not depend on how many images a bank has rows for.
  package func makeUntrainedEncoder(on device: Device) throws -> ImageEncoder {
    try withTorchErrors { makeMethod(images: 1, on: device, ranks: .alone).encoderQ }
  }
}

extension Head {
  package var summary: String {
    switch self {
    case .linear(let outputs): "linear head of \(outputs)"
    case .mlp(let outputs): "MLP head of \(outputs)"
    case .normalizedMLP(let layers, let hidden, let outputs, _):
      "head of \(layers) layers, \(hidden) hidden, \(outputs) out"
    }
  }
}
