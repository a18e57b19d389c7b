import Models
import Torch

/// The end-to-end mechanism (He et al. 2020, section 3.1 and figure 2a): the dictionary is the keys of the
/// batch, and the gradient trains both encoders through them.
///
/// With W ranks of N images each the dictionary has W·N keys, so a query has *K* = W·N − 1 negatives. Keys
/// are shuffled as in MoCo (section 3.3).
public final class EndToEnd: Module, Method {
  public struct Settings: Sendable, Equatable {
    /// *τ*
    public var temperature: Double
    /// The number of batch normalisation groups of the batch, or of this rank's rows; 1 is plain
    /// normalisation.
    public var bnGroups = 1
    /// Whether keys are encoded in a different order than queries (ShuffleBN); useless if batch normalisation
    /// is over all ranks' batches.
    public var shuffles = true

    public init(temperature: Double, bnGroups: Int = 1, shuffles: Bool = true) {
      self.temperature = temperature
      self.bnGroups = bnGroups
      self.shuffles = shuffles
    }
  }

  /// f_q, the encoder to keep.
  public let encoderQ: ImageEncoder
  /// f_k: it starts as a copy of f_q and is then trained separately.
  public let encoderK: ImageEncoder
  public let settings: Settings
  public let ranks: ProcessGroup
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: The method's settings.
  ///   - seed: For the key shuffles.
  ///   - ranks: The processes that train together; the dictionary has the keys of all of them.
  ///   - encoder: Makes a network with initial weights; called for f_q and f_k.
  public init(_ settings: Settings, seed: UInt64, ranks: ProcessGroup = .alone, encoder: () -> ImageEncoder) {
    self.settings = settings
    self.seed = seed
    self.ranks = ranks
    encoderQ = encoder()
    encoderK = encoder()
    encoderK.copyState(from: encoderQ)
  }

  public var isCapturable: Bool { true }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x1 = batch.views[0], x2 = batch.views[1]  // N×3×H×W
    // Queries first, so that backward reaches the keys' encoder first, in the order of the reducer's buckets.
    let q = l2Normalized(encoderQ(x1))  // N×C
    let shuffle = batch.shuffles.first
    let mixed = l2Normalized(encoderK(shuffle?.mixed(x2, over: ranks) ?? x2))  // N×C
    let all = ranks.allGather(mixed)  // W·N×C, with a graph
    let keys = shuffle?.restored(all) ?? all

    let own = ranks.localRows(of: keys.shape.first ?? 0)
    let targets = Tensor.arange(own.upperBound, on: q.device).narrowed(own)  // N
    let logits = similarities(q / settings.temperature, keys)  // N×W·N
    return StepOutput(
      loss: crossEntropy(logits, targets), logits: logits, targets: targets,
      features: (q.detached(), ranks.localShard(keys).detached()))
  }

  public func shuffles(for batch: ViewBatch) -> [KeyShuffle] {
    guard settings.shuffles, settings.bnGroups > 1 || ranks.rank.count > 1 else { return [] }
    return KeyShuffle.drawn(for: batch, seed: seed, ranks: ranks)
  }
}

extension EndToEnd {
  public static let kind = MethodKind(
    name: "moco", mechanism: .endToEnd,
    keys: [\.mechanism, \.mocoDim, \.mocoT, \.mlp, \.bnSplits, \.bnSplitsPer, \.shuffleBN], head: Head.ofKey,
    make: { config, context in
      let settings = Settings(
        temperature: config.mocoT, bnGroups: config.bnSplits, shuffles: config.shuffleBN && !config.syncBN)
      return EndToEnd(settings, seed: context.seed, ranks: context.ranks, encoder: context.encoder)
    },
    expectedLoss: { config, facts in
      ExpectedLoss(negatives: facts.passSize - 1, formula: "log(N)", config)
    },
    summary: { config, _ in "keys end to end, τ \(config.mocoT)" }, answer: .positiveKey,
    shortcutCause: MoCo.batchNormCause, warnings: MoCo.batchNormWarnings, passes: { _ in 1 },
    exchanges: { config, view in
      (config.shuffleBN && !config.syncBN ? [.images(view)] : []) + [.keys(config.mocoDim, hasGradient: true)]
    })
}
