import Models
import Torch

/// MoCo v3: "An Empirical Study of Training Self-Supervised Vision Transformers" (Chen, Xie, He 2021,
/// algorithm 1). No queue: the other images of the batch are the negatives, in a symmetric loss.
public final class MoCoV3: Method {
  public struct Settings: Sendable, Equatable {
    /// Size of a key *C*.
    public var dimension = 256
    /// Size of the hidden layers of projector and predictor.
    public var hidden = 4096
    /// *τ*
    public var temperature: Double
    /// Layers of the projector, which ends in batch normalisation; the predictor has two.
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

  public let settings: Settings
  /// Backbone and projector of f_q: what remains in the end.
  public let query: any Backbone
  /// What f_q has behind them.
  public let predictor: Module
  /// f_k
  public let key: MomentumEncoder<Module>
  /// The processes that train together; the keys of all of them are each one's negatives.
  public let ranks: ProcessGroup
  private let loss: InfoNCE

  /// - Parameters:
  ///   - settings: the method's numbers.
  ///   - predictor: the layers of ``Settings/predictor``, where the encoders are.
  ///   - ranks: the processes that train together.
  ///   - encoder: makes a network with the head ``Settings/projector`` and fresh weights; called for f_q and f_k.
  public init(
    _ settings: Settings, predictor: Module, ranks: ProcessGroup = .alone, encoder: () -> any Backbone
  ) {
    self.settings = settings
    self.predictor = predictor
    self.ranks = ranks
    query = encoder()
    key = MomentumEncoder(of: query, copy: encoder())
    loss = InfoNCE(temperature: settings.temperature)
  }

  /// θ_k ← m·θ_k + (1 − m)·θ_q. The queries of a step do not depend on it.
  public func begin(momentum m: Double) { key.update(momentum: m) }

  public var isRecordable: Bool { true }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    // A rank's keys are on their way to the others while it encodes its queries.
    let keys1 = ranks.gathering(key.keys(batch.x1)), keys2 = ranks.gathering(key.keys(batch.x2))
    let q1 = l2Normalized(predictor(query(batch.x1)))  // N×C
    let q2 = l2Normalized(predictor(query(batch.x2)))  // N×C
    let k1 = keys1(), k2 = keys2()  // W·N×C

    // The column of each query's key.
    let own = ranks.ownRows(of: k1.shape.first ?? 0)
    let targets = Tensor.arange(own.upperBound, on: k1.device).narrowed(own)  // N
    let (loss12, logits) = loss.amongBatch(q1, k2, positives: targets)  // scalar, N×W·N
    let (loss21, _) = loss.amongBatch(q2, k1, positives: targets)
    return StepOutput(
      loss: loss12 + loss21, logits: logits, targets: targets, positives: (q1.detached(), ranks.own(k2)))
  }

  public var trained: [Module.Entry] { query.namedParameters + predictor.namedParameters(under: "predictor") }
  public var followers: [Tensor] { key.encoder.parameters }

  /// Everything a resumed run needs, by name: both encoders and the predictor.
  public var state: [(name: String, tensor: Tensor)] {
    query.state(under: "encoder_q") + key.encoder.state(under: "encoder_k")
      + predictor.state(under: "predictor")
  }
}
