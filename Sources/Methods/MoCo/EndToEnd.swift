import Models
import Torch

/// The end-to-end mechanism (He et al. 2020, section 3.1 and figure 2a): the dictionary is the keys of the batch, and
/// the gradient trains both encoders through them.
///
/// With W ranks of N images each the dictionary has W·N keys, so that a query has *K* = W·N − 1 negatives. Keys are
/// shuffled as MoCo's are (section 3.3).
public final class EndToEnd: Method {
  public struct Settings: Sendable, Equatable {
    /// *τ*
    public var temperature: Double
    /// Groups of batch normalisation, which stand for the devices of ShuffleBN; 1 is plain normalisation.
    public var bnGroups = 1
    /// Whether keys are encoded in another order than queries (ShuffleBN); nothing to gain where batch normalisation
    /// takes all ranks' batches together.
    public var shuffles = true

    public init(temperature: Double, bnGroups: Int = 1, shuffles: Bool = true) {
      self.temperature = temperature
      self.bnGroups = bnGroups
      self.shuffles = shuffles
    }
  }

  public let settings: Settings
  /// f_q: what remains in the end.
  public let query: any Backbone
  /// f_k: it starts as a copy of f_q and goes its own way.
  public let key: any Backbone
  public let ranks: ProcessGroup
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: The method's numbers.
  ///   - seed: of the key shuffles.
  ///   - ranks: the processes that train together; the keys of all of them are each one's dictionary.
  ///   - encoder: makes a network with fresh weights; called for f_q and f_k.
  public init(_ settings: Settings, seed: UInt64, ranks: ProcessGroup = .alone, encoder: () -> any Backbone) {
    self.settings = settings
    self.seed = seed
    self.ranks = ranks
    query = encoder()
    key = encoder()
    key.copyState(from: query)
  }

  public var isRecordable: Bool { true }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    // First, so that backward meets the keys' encoder first, as the reducer's buckets have it.
    let q = l2Normalized(query(batch.x1))  // N×C
    let encode = { [key] x in l2Normalized(key(x)) }
    let draws = batch.draws ?? draws(for: batch)
    let shuffle = draws.isEmpty ? nil : KeyShuffle(draws[...])
    let keys =
      shuffle.map { $0.encoded(batch.x2, over: ranks, by: encode)() }
      ?? ranks.allGathered(encode(batch.x2))  // W·N×C, with a graph

    let own = ranks.ownRows(of: keys.shape.first ?? 0)
    let targets = Tensor.arange(own.upperBound, on: q.device).narrowed(own)  // N
    let logits = similarities(q / settings.temperature, keys)  // N×W·N
    return StepOutput(
      loss: crossEntropy(logits, targets), logits: logits, targets: targets,
      positives: (q.detached(), ranks.own(keys).detached()))
  }

  /// A shuffle. It changes something only where several groups are normalised apart.
  public func draws(for batch: ViewBatch) -> [Tensor] {
    guard settings.shuffles, settings.bnGroups > 1 || ranks.rank.count > 1 else { return [] }
    return KeyShuffle.drawn(
      seed: seed, step: batch.step, pass: batch.part,
      count: (batch.x1.shape.first ?? 0) * ranks.rank.count, on: batch.x1.device
    ).tensors
  }

  public var trained: [Module.Entry] { query.namedParameters + key.namedParameters(under: "encoder_k") }

  public var state: [(name: String, tensor: Tensor)] {
    query.state(under: "encoder_q") + key.state(under: "encoder_k")
  }
}
