import Models
import Torch

/// The memory bank mechanism (He et al. 2020, section 3.1 and figure 2b; the bank is that of Wu et al. 2018):
/// the dictionary holds every image's feature from the last time it was seen, and one encoder is trained.
///
/// An image's key is its own row; the negatives are *K* rows drawn for the step. After the step the row
/// becomes normalise(½·row + ½·new). Nothing is shuffled: the rows were made in other batches.
public final class MemoryBankMoCo: Module, Method {
  public struct Settings: Sendable, Equatable {
    /// The number of rows drawn as negatives, *K*.
    public var negatives: Int
    /// *τ*
    public var temperature: Double

    public init(negatives: Int, temperature: Double) {
      self.negatives = negatives
      self.temperature = temperature
    }
  }

  public let settings: Settings
  public let encoderQ: ImageEncoder
  public let bank: MemoryBank
  public let ranks: ProcessGroup
  private let loss: InfoNCE
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: The method's settings.
  ///   - bank: The initial dictionary, the same on every rank.
  ///   - seed: For the draws of rows.
  ///   - ranks: The processes that train together; each keeps the whole bank.
  ///   - encoder: The network with initial weights.
  public init(
    _ settings: Settings, bank: MemoryBank, seed: UInt64, ranks: ProcessGroup = .alone,
    encoder: ImageEncoder
  ) {
    self.settings = settings
    self.bank = bank
    self.seed = seed
    self.ranks = ranks
    encoderQ = encoder
    loss = InfoNCE(temperature: settings.temperature)
  }

  /// The second view is not used.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let q = l2Normalized(encoderQ(batch.views[0]))  // N×C
    let indices = bank.indices(batch.samples)  // N
    let k = bank.rows(indices, on: q.device)  // N×C
    let drawn = bank.drawn(settings.negatives, seed: seed, step: batch.step, part: batch.part)  // K
    let (loss, logits) = loss(q, k, negatives: bank.rows(drawn, on: q.device))  // scalar, N×(1+K)
    return StepOutput(
      loss: loss, logits: logits, features: (q.detached(), k), keys: ranks.allGather(q.detached()),
      indices: ranks.allGather(indices))
  }

  /// Updates the rows of all ranks' images after the backward pass.
  public func afterStep(_ parts: [StepOutput]) { bank.update(from: parts) }
}

extension MemoryBankMoCo {
  public static let kind = MethodKind(
    name: "moco", mechanism: .memoryBank,
    keys: [\.mechanism, \.bank, \.mocoDim, \.mocoK, \.mocoT, \.mlp, \.bnSplits, \.bnSplitsPer],
    head: Head.ofKey,
    make: { config, context in
      let encoder = context.encoder()
      let settings = Settings(negatives: config.mocoK, temperature: config.mocoT)
      return MemoryBankMoCo(
        settings, bank: context.bank(), seed: context.seed, ranks: context.ranks, encoder: encoder)
    },
    expectedLoss: { config, _ in
      ExpectedLoss(
        negatives: config.mocoK, formula: "log(K+1)",
        course: "It starts above, rises while random rows become features (an epoch or two), then falls.",
        config)
    },
    summary: { config, _ in "memory bank, K \(config.mocoK), τ \(config.mocoT)" }, answer: .positiveKey,
    shortcutCause: memorising,
    warnings: { config, facts in
      guard config.mocoK > facts.images else { return [] }
      return [
        "--moco-k \(config.mocoK): with \(facts.images) images every row is drawn more than once a step, an image's own "
          + "among them. Fewer are enough."
      ]
    }, passes: { _ in 1 }, exchanges: { config, _ in MethodKind.Exchange.rows(config) })

  static func memorising(_ config: RunConfig, _ facts: RunFacts) -> String {
    "the rows of the bank were made in other batches, so that batch normalisation cannot give them away; the "
      + "network rather memorises its images. \(facts.againstMemorising)"
  }
}
