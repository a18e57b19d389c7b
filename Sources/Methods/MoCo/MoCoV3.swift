import Models
import Torch

/// MoCo v3: "An Empirical Study of Training Self-Supervised Vision Transformers" (Chen, Xie, He 2021,
/// algorithm 1). No queue: the other images of the batch are the negatives, in a symmetric loss.
public final class MoCoV3: Module, Method {
  public struct Settings: Sendable, Equatable {
    /// Size of a key *C*.
    public var dimension = 256
    /// Size of the hidden layers of projector and predictor.
    public var hidden = 4096
    /// *τ*
    public var temperature: Double
    /// The number of layers of the projector, which ends in batch normalisation; the predictor has two.
    public var projectorLayers: Int
    /// Whether the predictor ends in batch normalisation too.
    public var normalizesPrediction: Bool

    public init(
      dimension: Int = 256, hidden: Int = 4096, temperature: Double, projectorLayers: Int,
      normalizesPrediction: Bool
    ) {
      self.dimension = dimension
      self.hidden = hidden
      self.temperature = temperature
      self.projectorLayers = projectorLayers
      self.normalizesPrediction = normalizesPrediction
    }

    public static let resNet = Settings(temperature: 1, projectorLayers: 2, normalizesPrediction: false)
    public static let transformer = Settings(temperature: 0.2, projectorLayers: 3, normalizesPrediction: true)

    /// The encoders' head.
    public var projector: Head {
      .normalizedMLP(layers: projectorLayers, hidden: hidden, outputs: dimension, endsNormalized: true)
    }

    public var predictor: Head {
      .normalizedMLP(layers: 2, hidden: hidden, outputs: dimension, endsNormalized: normalizesPrediction)
    }
  }

  /// Backbone and projector of f_q, the encoder to keep.
  public let encoderQ: ImageEncoder
  /// f_k
  public let encoderK: MomentumEncoder
  /// The last layers of f_q, behind backbone and projector.
  public let predictor: Module
  public let settings: Settings
  /// The processes that train together; the keys of all of them are negatives.
  public let ranks: ProcessGroup
  private let loss: InfoNCE

  /// - Parameters:
  ///   - settings: The method's settings.
  ///   - predictor: The layers of ``Settings/predictor``, on the encoders' device.
  ///   - ranks: The processes that train together.
  ///   - encoder: Makes a network with the head ``Settings/projector`` and initial weights; called for f_q
  ///     and f_k.
  public init(
    _ settings: Settings, predictor: Module, ranks: ProcessGroup = .alone, encoder: () -> ImageEncoder
  ) {
    self.settings = settings
    self.predictor = predictor
    self.ranks = ranks
    encoderQ = encoder()
    encoderK = MomentumEncoder(of: encoderQ, copy: encoder())
    loss = InfoNCE(temperature: settings.temperature)
  }

  /// θ_k ← m·θ_k + (1 − m)·θ_q. The queries of a step do not depend on it.
  public func beforeForward(momentum m: Double) { encoderK.update(momentum: m) }

  public var isCapturable: Bool { true }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x1 = batch.views[0], x2 = batch.views[1]  // N×3×H×W
    // The keys are sent to the other ranks while the queries are encoded.
    let (k1, q1) = ranks.allGather(encoderK.keys(x1)) { l2Normalized(predictor(encoderQ(x1))) }  // W·N×C, N×C
    let (k2, q2) = ranks.allGather(encoderK.keys(x2)) { l2Normalized(predictor(encoderQ(x2))) }

    // The column of each query's key.
    let own = ranks.localRows(of: k1.shape.first ?? 0)
    let targets = Tensor.arange(own.upperBound, on: k1.device).narrowed(own)  // N
    let (loss12, logits) = loss.amongBatch(q1, k2, positives: targets)  // scalar, N×W·N
    let (loss21, _) = loss.amongBatch(q2, k1, positives: targets)
    return StepOutput(
      loss: loss12 + loss21, logits: logits, targets: targets, features: (q1.detached(), ranks.localShard(k2))
    )
  }
}

extension MoCoV3 {
  public static let kind = MethodKind(
    name: "moco-v3", keys: [\.mocoDim, \.mocoMlpDim, \.mocoM, \.mocoMCos, \.mocoT],
    head: { settings($0).projector },
    make: { config, context in
      let settings = settings(config)
      let predictor = context.layers(settings.predictor, inputs: config.mocoDim)
      return MoCoV3(settings, predictor: predictor, ranks: context.ranks, encoder: context.encoder)
    },
    expectedLoss: { config, facts in
      ExpectedLoss(
        negatives: facts.passSize - 1, scale: 2 * 2 * config.mocoT, formula: "2·2τ·log(N)", config)
    },
    summary: { config, _ in "m \(config.mocoM)\(config.mocoMCos ? " to 1" : ""), τ \(config.mocoT)" },
    answer: .positiveKey, shortcutCause: sharedBatchCause, zeroResiduals: true, schedulesPerStep: true,
    passes: { _ in 2 }, exchanges: { config, _ in [.keys(2 * config.mocoDim)] })

  private static func settings(_ config: RunConfig) -> Settings {
    var settings = config.arch.isTransformer ? Settings.transformer : .resNet
    settings.dimension = config.mocoDim
    settings.hidden = config.mocoMlpDim
    settings.temperature = config.mocoT
    return settings
  }

  /// The cause if all keys of a batch are normalised together.
  static func sharedBatchCause(_ config: RunConfig, _ facts: RunFacts) -> String {
    sharedBatchCause(
      facts, config, remedy: "more negatives by a larger --batch-size (now \(facts.batchSize))")
  }

  /// - Parameter remedy: the change beside stronger views.
  static func sharedBatchCause(_ facts: RunFacts, _ config: RunConfig, remedy: String) -> String {
    facts.ranks > 1 && !config.syncBN
      ? "each rank normalises its images by itself, which may distinguish the keys of other ranks. Try --sync-bn."
      : "all keys are normalised in one batch, which distinguishes none; a shortcut such as colour is more likely. "
        + "Try stronger --views, or \(remedy)."
  }
}
