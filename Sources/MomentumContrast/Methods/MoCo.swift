import Backbones
import Torch

/// Momentum Contrast (He et al. 2020, algorithm 1).
///
/// ``MoCoV1``, ``MoCoV2`` and ``MoCoCIFAR`` are settings of it.
public final class MoCo {
  public struct Settings: Sendable, Equatable {
    /// Dictionary size *K*.
    public var queueSize: Int
    /// Size of a key *C*.
    public var dimension = 128
    /// Momentum coefficient *m* of the key encoder.
    public var momentum: Double
    /// *τ*
    public var temperature: Double
    /// Groups of batch normalisation, which stand for the devices of ShuffleBN; 1 is plain normalisation.
    public var bnGroups = 1
    /// Each view is query once and key once; the losses are added, and both batches of keys enqueued.
    public var symmetric = false

    public init(
      queueSize: Int, dimension: Int = 128, momentum: Double, temperature: Double, bnGroups: Int = 1,
      symmetric: Bool = false
    ) {
      self.queueSize = queueSize
      self.dimension = dimension
      self.momentum = momentum
      self.temperature = temperature
      self.bnGroups = bnGroups
      self.symmetric = symmetric
    }
  }

  public let settings: Settings
  /// f_q: what is trained, and what remains in the end.
  public let query: any Backbone
  /// f_k
  public let key: MomentumEncoder<Module>
  public let queue: KeyQueue
  private let loss: InfoNCE
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: The method's numbers.
  ///   - encoder: makes a network with fresh weights; called for f_q and f_k.
  ///   - queue: the dictionary to start with.
  ///   - seed: of the key shuffles.
  public init(_ settings: Settings, queue: KeyQueue, seed: UInt64, encoder: () -> any Backbone) {
    precondition(
      queue.capacity == settings.queueSize, "a queue of \(queue.capacity) for K = \(settings.queueSize)")
    self.settings = settings
    self.queue = queue
    self.seed = seed
    query = encoder()
    key = MomentumEncoder(of: query, copy: encoder())
    loss = InfoNCE(temperature: settings.temperature)
  }

  /// What a training step leaves.
  public struct Output {
    /// A scalar with a graph.
    public let loss: Tensor
    /// N×(1+K); of the first pass, where the loss is symmetric.
    public let logits: Tensor
    /// The keys to enqueue once the gradient has been taken: N×C, or 2N×C.
    public let keys: Tensor
  }

  /// - Parameters:
  ///   - step: The step's number, which decides the shuffling of keys.
  ///   - x1: One view, N×3×H×W.
  ///   - x2: The other view of the same images.
  ///   - shuffles: the orders in which keys are encoded, one a pass; drawn for `step` where there is none.
  public func callAsFunction(_ x1: Tensor, _ x2: Tensor, step: Int, shuffles: [KeyShuffle]? = nil) -> Output {
    key.update(momentum: settings.momentum)
    let shuffles = shuffles ?? drawShuffles(step: step, count: x1.shape.first ?? 0, on: x1.device)
    let (loss12, logits, k2) = contrast(x1, x2, shuffles.first)
    guard settings.symmetric else { return Output(loss: loss12, logits: logits, keys: k2) }
    let (loss21, _, k1) = contrast(x2, x1, shuffles.last)
    return Output(loss: loss12 + loss21, logits: logits, keys: .concatenated([k1, k2]))
  }

  /// Queries from `xq` look their keys from `xk` up in the dictionary.
  private func contrast(
    _ xq: Tensor, _ xk: Tensor, _ shuffle: KeyShuffle?
  ) -> (loss: Tensor, logits: Tensor, keys: Tensor) {
    let q = l2Normalized(query(xq))  // N×C
    let k = shuffle.map { $0.restored(key.keys($0.shuffled(xk))) } ?? key.keys(xk)  // N×C
    let (loss, logits) = loss(q, k, negatives: queue.keys)  // scalar, N×(1+K)
    return (loss, logits, k)
  }

  /// Shuffling matters only where normalisation has groups.
  private func drawShuffles(step: Int, count: Int, on device: Device) -> [KeyShuffle] {
    guard settings.bnGroups > 1 else { return [] }
    return (0..<(settings.symmetric ? 2 : 1)).map {
      KeyShuffle.drawn(seed: seed, step: step, pass: $0, count: count, on: device)
    }
  }

  /// Everything a resumed run needs, by name: both encoders and the keys.
  public var state: [(name: String, tensor: Tensor)] {
    query.state.map { ("encoder_q.\($0.name)", $0.tensor) }
      + key.encoder.state.map { ("encoder_k.\($0.name)", $0.tensor) }
      + [("queue", queue.keys)]
  }
}
