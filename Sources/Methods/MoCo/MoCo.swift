import Models
import Torch

/// Momentum Contrast: "Momentum Contrast for Unsupervised Visual Representation Learning" (He et al. 2020,
/// algorithm 1), and with an MLP head "Improved Baselines with Momentum Contrastive Learning" (Chen, Fan, Girshick, He
/// 2020).
public final class MoCo: Module, Method {
  public struct Settings: Sendable, Equatable {
    /// *τ*
    public var temperature: Double
    /// The number of batch normalisation groups of the batch, or of this rank's rows; 1 is plain
    /// normalisation.
    public var bnGroups = 1
    /// Whether keys are encoded in a different order than queries (ShuffleBN); useless if batch normalisation
    /// is over all ranks' batches.
    public var shuffles = true
    /// Each view is the query once and the key once; the losses are added, and both batches of keys enqueued.
    public var symmetric = false

    public init(temperature: Double, bnGroups: Int = 1, shuffles: Bool = true, symmetric: Bool = false) {
      self.temperature = temperature
      self.bnGroups = bnGroups
      self.shuffles = shuffles
      self.symmetric = symmetric
    }
  }

  /// f_q: it is trained, and kept in the end.
  public let encoderQ: ImageEncoder
  /// f_k
  public let encoderK: MomentumEncoder
  /// The dictionary.
  public let queue: KeyQueue
  public let settings: Settings
  /// The processes that train together; each has its rows of the batch.
  public let ranks: ProcessGroup
  public var isCapturable: Bool { true }
  private let loss: InfoNCE
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: The method's settings.
  ///   - queue: The initial dictionary.
  ///   - seed: For the key shuffles.
  ///   - ranks: The processes that train together.
  ///   - encoder: Makes a network with initial weights; called for f_q and f_k.
  public init(
    _ settings: Settings, queue: KeyQueue, seed: UInt64, ranks: ProcessGroup = .alone,
    encoder: () -> ImageEncoder
  ) {
    self.settings = settings
    self.queue = queue
    self.seed = seed
    self.ranks = ranks
    encoderQ = encoder()
    encoderK = MomentumEncoder(of: encoderQ, copy: encoder())
    loss = InfoNCE(temperature: settings.temperature)
  }

  /// θ_k ← m·θ_k + (1 − m)·θ_q
  public func beforeForward(momentum m: Double) { encoderK.update(momentum: m) }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x1 = batch.views[0], x2 = batch.views[1]  // N×3×H×W
    let first = contrast(x1, x2, batch.shuffles.first, dealt: batch.dealing)
    guard settings.symmetric else { return first }
    let second = contrast(x2, x1, batch.shuffles.last, dealt: batch.dealing)
    return StepOutput(
      loss: first.loss + second.loss, logits: first.logits, features: first.features,
      keys: .concatenated([second.keys, first.keys].compactMap(\.self)))  // the first view's keys first
  }

  /// Contrasts queries from `xq` with keys from `xk` and the dictionary. N is the number of this rank's
  /// images, W·N of all ranks'.
  private func contrast(_ xq: Tensor, _ xk: Tensor, _ shuffle: KeyShuffle?, dealt: Dealing) -> StepOutput {
    let mixed = encoderK.keys(shuffle?.mixed(xk, over: ranks) ?? xk)  // N×C, without a gradient
    // The keys are sent to the other ranks while the queries are encoded.
    let (all, q) = ranks.allGather(mixed) { l2Normalized(encoderQ(xq)) }  // W·N×C, N×C
    let keys = shuffle?.restored(all) ?? all  // W·N×C
    let k = ranks.localShard(keys)  // N×C
    let (loss, logits) = loss(q, k, negatives: queue.keys)  // scalar, N×(1+K)
    return StepOutput(
      loss: loss, logits: logits, features: (q.detached(), k), keys: ranks.inBatchOrder(keys, dealt: dealt))
  }

  /// Enqueues the keys after the backward pass.
  public func afterStep(_ parts: [StepOutput]) {
    for part in parts { part.keys.map(queue.enqueue) }
  }

  /// No query is beside them, so that nothing needs to be shuffled.
  public func enqueueKeys(of batch: ViewBatch) {
    let keys = ranks.allGather(encoderK.keys(batch.views[1]))  // W·N×C
    queue.enqueue(ranks.inBatchOrder(keys, dealt: batch.dealing))
  }

  public func shuffles(for batch: ViewBatch) -> [KeyShuffle] {
    guard settings.shuffles, settings.bnGroups > 1 || ranks.rank.count > 1 else { return [] }
    return KeyShuffle.drawn(for: batch, passes: settings.symmetric ? 2 : 1, seed: seed, ranks: ranks)
  }
}

extension MoCo {
  public static let kind = MethodKind(
    name: "moco", mechanism: .queue, hasQueue: true,
    keys: [
      \.mechanism, \.mocoDim, \.mocoK, \.mocoM, \.mocoMCos, \.mocoT, \.mlp, \.bnSplits, \.bnSplitsPer,
      \.shuffleBN,
      \.symmetric,
    ],
    head: Head.ofKey,
    make: { config, context in
      // Keys are drawn first, then f_q; the draws for f_k are overwritten with a copy of f_q.
      let queue = KeyQueue(
        capacity: config.mocoK, dimension: config.mocoDim, on: context.device, using: context.generator)
      let settings = Settings(
        temperature: config.mocoT, bnGroups: config.bnSplits, shuffles: shuffles(config),
        symmetric: config.symmetric)
      return MoCo(
        settings, queue: queue, seed: context.seed, ranks: context.ranks, encoder: context.encoder)
    },
    expectedLoss: { config, facts in
      let keys = facts.batchSize * (config.symmetric ? 2 : 1)  // per step
      let filling = (config.mocoK + keys - 1) / keys
      let time = "\(filling) step\(filling == 1 ? "" : "s")"
      return ExpectedLoss(
        negatives: config.mocoK, scale: config.symmetric ? 2 : 1,
        formula: "\(config.symmetric ? "2·" : "")log(K+1)",
        course: "It starts below, rises while the queue fills (\(time)), then falls.", config)
    },
    summary: { config, _ in
      "K \(config.mocoK), m \(config.mocoM), τ \(config.mocoT)\(config.symmetric ? ", symmetric" : "")"
    },
    answer: .positiveKey, shortcutCause: batchNormCause,
    warnings: { config, facts in
      let keysPerImage = config.symmetric ? 2 : 1
      let most = keysPerImage * max(1, facts.images - facts.batchSize)
      let isLarge = config.mocoK > most
      return batchNormWarnings(config, facts)
        + (isLarge
          ? [
            "--moco-k \(config.mocoK): with \(facts.images) images the queue holds images' own older keys as negatives. "
              + "At most \(most) keeps that rare; small sets do well with --moco-k \(min(4096, most)) --moco-m 0.99."
          ] : [])
    }, passes: { $0.symmetric ? 2 : 1 },
    exchanges: { config, view in
      let passes = config.symmetric ? 2 : 1
      return (shuffles(config) ? [.images(passes * view)] : []) + [.keys(passes * config.mocoDim)]
    })

  private static func shuffles(_ config: RunConfig) -> Bool { config.shuffleBN && !config.syncBN }

  /// Batch statistics that reveal the positive key (He et al. 2020, section 3.3).
  static func batchNormCause(_ config: RunConfig, _ facts: RunFacts) -> String {
    guard config.arch.hasBatchNorm else {
      return "\(config.arch.rawValue) has no batch normalisation that could give it away; the network rather "
        + "memorises its images. \(facts.againstMemorising)"
    }
    let apart = "so that keys are normalised beside other images than their queries."
    let splits = " and give --bn-splits (8 is usual)"
    let remedy =
      config.syncBN
      ? "Leave --sync-bn off\(splits), \(apart)"
      : config.shuffleBN
        ? "Try more --bn-splits (now \(config.bnSplits))."
        : "Leave --no-shuffle-bn out\(config.bnSplits == 1 && facts.ranks == 1 ? splits : ""), \(apart)"
    return "batch normalisation may give it away. \(remedy)"
  }

  static func batchNormWarnings(_ config: RunConfig, _ facts: RunFacts) -> [String] {
    guard config.arch.hasBatchNorm else { return [] }
    var found: [String] = []
    if !config.shuffleBN, config.bnSplits > 1 || facts.ranks > 1 {
      found.append(
        "--no-shuffle-bn: a key is normalised beside its query's neighbours. Batch statistics can give it away: the "
          + "contrast is won while the features get worse.")
    }
    if config.bnSplits == 1, facts.ranks == 1 {
      let splits = [8, 4, 2].first { facts.passSize.isMultiple(of: $0) && facts.passSize > $0 }
      found.append(
        "--bn-splits 1: on one device ShuffleBN does nothing without splits. Batch statistics can then give the "
          + "positive key away: the contrast is won while the features get worse. Try "
          + (splits.map { "--bn-splits \($0)." } ?? "a larger --batch-size with --bn-splits 8."))
    }
    return found
  }
}
