import Backbones
import Torch

/// MoCo v3: "An Empirical Study of Training Self-Supervised Vision Transformers" (Chen, Xie, He 2021,
/// algorithm 1). No queue: the other images of the batch are the negatives, in a symmetric loss.
public final class MoCoV3 {
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
  private let loss: InfoNCE
  private let rank: Int
  private let gather: (Tensor) -> Tensor

  /// - Parameters:
  ///   - settings: the method's numbers.
  ///   - predictor: the layers of ``Settings/predictor``, where the encoders are.
  ///   - rank: this process's number among those whose batches are trained on together.
  ///   - gather: makes one tensor of all ranks' keys, in the order of their ranks: N×C → M×C.
  ///   - encoder: makes a network with the head ``Settings/projector`` and fresh weights; called for f_q and f_k.
  public init(
    _ settings: Settings, predictor: Module, rank: Int = 0, gather: @escaping (Tensor) -> Tensor = { $0 },
    encoder: () -> any Backbone
  ) {
    self.settings = settings
    self.predictor = predictor
    self.rank = rank
    self.gather = gather
    query = encoder()
    key = MomentumEncoder(of: query, copy: encoder())
    loss = InfoNCE(temperature: settings.temperature)
  }

  /// What a training step leaves.
  public struct Output {
    /// A scalar with a graph.
    public let loss: Tensor
    /// Of the first view's queries, N×M.
    public let logits: Tensor
    /// The column of each query's key in `logits`; N int64.
    public let positives: Tensor
  }

  /// - Parameters:
  ///   - x1: One view, N×3×H×W.
  ///   - x2: The other view of the same images.
  ///   - m: Momentum coefficient of the key encoder in this step.
  public func callAsFunction(_ x1: Tensor, _ x2: Tensor, momentum m: Double) -> Output {
    let q1 = l2Normalized(predictor(query(x1)))  // N×C
    let q2 = l2Normalized(predictor(query(x2)))  // N×C
    key.update(momentum: m)
    let k1 = gather(key.keys(x1))  // M×C
    let k2 = gather(key.keys(x2))  // M×C

    let count = x1.shape.first ?? 0
    let first = rank * count
    let positives = Tensor.arange(first + count, on: x1.device).narrowed(first..<first + count)  // N
    let (loss12, logits) = loss.amongBatch(q1, k2, positives: positives)  // scalar, N×M
    let (loss21, _) = loss.amongBatch(q2, k1, positives: positives)
    return Output(loss: loss12 + loss21, logits: logits, positives: positives)
  }

  /// What the optimizer moves, by name.
  public var namedParameters: [(name: String, tensor: Tensor)] {
    query.namedParameters.map { ($0.name, $0.tensor) }
      + predictor.namedParameters.map { ("predictor.\($0.name)", $0.tensor) }
  }

  /// Everything a resumed run needs, by name: both encoders and the predictor.
  public var state: [(name: String, tensor: Tensor)] {
    query.state.map { ("encoder_q.\($0.name)", $0.tensor) }
      + key.encoder.state.map { ("encoder_k.\($0.name)", $0.tensor) }
      + predictor.state.map { ("predictor.\($0.name)", $0.tensor) }
  }
}
