import Models
import Torch

/// Momentum Contrast (He et al. 2020, algorithm 1).
///
/// ``MoCoV1``, ``MoCoV2`` and ``MoCoCIFAR`` are settings of it.
public final class MoCo: Method {
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
    /// Whether keys are encoded in another order than queries (ShuffleBN); nothing to gain where batch normalisation
    /// takes all ranks' batches together.
    public var shuffles = true
    /// Each view is query once and key once; the losses are added, and both batches of keys enqueued.
    public var symmetric = false

    public init(
      queueSize: Int, dimension: Int = 128, momentum: Double, temperature: Double, bnGroups: Int = 1,
      shuffles: Bool = true, symmetric: Bool = false
    ) {
      self.queueSize = queueSize
      self.dimension = dimension
      self.momentum = momentum
      self.temperature = temperature
      self.bnGroups = bnGroups
      self.shuffles = shuffles
      self.symmetric = symmetric
    }
  }

  public let settings: Settings
  /// f_q: what is trained, and what remains in the end.
  public let query: any Backbone
  /// f_k
  public let key: MomentumEncoder<Module>
  public let queue: KeyQueue
  public var dictionary: KeyQueue? { queue }
  public var isRecordable: Bool { true }
  /// The processes that train together; each sees its rows of the batch.
  public let ranks: ProcessGroup
  private let loss: InfoNCE
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: The method's numbers.
  ///   - encoder: makes a network with fresh weights; called for f_q and f_k.
  ///   - queue: the dictionary to start with.
  ///   - seed: of the key shuffles.
  ///   - ranks: the processes that train together.
  public init(
    _ settings: Settings, queue: KeyQueue, seed: UInt64, ranks: ProcessGroup = .alone,
    encoder: () -> any Backbone
  ) {
    precondition(
      queue.capacity == settings.queueSize, "a queue of \(queue.capacity) for K = \(settings.queueSize)")
    self.settings = settings
    self.queue = queue
    self.seed = seed
    self.ranks = ranks
    query = encoder()
    key = MomentumEncoder(of: query, copy: encoder())
    loss = InfoNCE(temperature: settings.temperature)
  }

  /// θ_k ← m·θ_k + (1 − m)·θ_q
  public func begin(momentum m: Double) { key.update(momentum: m) }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let draws = batch.draws ?? draws(for: batch)
    return forward(
      batch, shuffles: stride(from: 0, to: draws.count, by: 2).map { KeyShuffle(draws[$0..<$0 + 2]) })
  }

  /// - Parameter shuffles: the orders in which keys are encoded, one a pass.
  func forward(_ batch: ViewBatch, shuffles: [KeyShuffle]) -> StepOutput {
    // A rank's keys are on their way to the others while it encodes its queries.
    let k2 = encodedKeys(batch.x2, shuffles.first)
    guard settings.symmetric else { return contrast(batch.x1, k2) }
    let k1 = encodedKeys(batch.x1, shuffles.last)
    let first = contrast(batch.x1, k2), second = contrast(batch.x2, k1)
    return StepOutput(
      loss: first.loss + second.loss, logits: first.logits, positives: first.positives,
      keys: .concatenated([second.keys, first.keys].compactMap(\.self)))  // the first view's keys first
  }

  /// The keys of all ranks' `x`; what is returned waits for them.
  private func encodedKeys(_ x: Tensor, _ shuffle: KeyShuffle?) -> () -> Tensor {
    shuffle.map { $0.encoded(x, over: ranks, by: key.keys) } ?? ranks.gathering(key.keys(x))
  }

  /// Queries from `x` look their keys up in the dictionary. N are this rank's images, W·N all ranks'.
  private func contrast(_ x: Tensor, _ keys: () -> Tensor) -> StepOutput {
    let q = l2Normalized(query(x))  // N×C
    let keys = keys()  // W·N×C
    let k = ranks.own(keys)  // N×C
    let (loss, logits) = loss(q, k, negatives: queue.keys)  // scalar, N×(1+K)
    return StepOutput(loss: loss, logits: logits, positives: (q.detached(), k), keys: keys)
  }

  /// The queue takes the keys in once the gradient has been taken.
  public func finish(_ parts: [StepOutput]) {
    for part in parts { part.keys.map(queue.enqueue) }
  }

  /// A shuffle a pass. It changes something only where several groups are normalised apart.
  public func draws(for batch: ViewBatch) -> [Tensor] {
    guard settings.shuffles, settings.bnGroups > 1 || ranks.rank.count > 1 else { return [] }
    let passes = settings.symmetric ? 2 : 1
    return (0..<passes).flatMap {
      KeyShuffle.drawn(
        seed: seed, step: batch.step, pass: batch.part * passes + $0,
        count: (batch.x1.shape.first ?? 0) * ranks.rank.count, on: batch.x1.device
      ).tensors
    }
  }

  public var trained: [Module.Entry] { query.namedParameters }
  public var followers: [Tensor] { key.encoder.parameters + [queue.keys] }

  /// Everything a resumed run needs, by name: both encoders and the keys.
  public var state: [(name: String, tensor: Tensor)] {
    query.state(under: "encoder_q") + key.encoder.state(under: "encoder_k") + [("queue", queue.keys)]
  }
}
