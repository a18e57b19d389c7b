import Models
import Torch

/// InstDisc: "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (Wu et al. 2018).
///
/// Every image is its own class, whose weight is its row v in a memory bank: P(i|v) = exp(vᵢ·v/τ) / Σⱼ
/// exp(vⱼ·v/τ) (equation 2), computed in full or by noise-contrastive estimation.
public final class InstDisc: Module, Method {
  public enum Estimate: Sendable, Equatable {
    /// The sum is over all images (equation 2).
    case softmax
    /// *m* uniformly drawn rows approximate the sum (section 3.2).
    case noiseContrastive(m: Int)
  }

  public struct Settings: Sendable, Equatable {
    public var estimate: Estimate
    /// *τ*; 0.07 in the paper.
    public var temperature: Double
    /// The Z of noise contrast.
    public var partition: NoiseContrast.Partition
    /// *λ* of proximal regularisation (equation 10), which keeps a feature near its row: 30 in the paper,
    /// where it smooths the first epochs; 0 turns it off.
    public var proximal: Double

    public init(
      estimate: Estimate, temperature: Double = 0.07, partition: NoiseContrast.Partition = .step,
      proximal: Double = 0
    ) {
      self.estimate = estimate
      self.temperature = temperature
      self.partition = partition
      self.proximal = proximal
    }
  }

  public let settings: Settings
  public let encoderQ: ImageEncoder
  public let bank: MemoryBank
  public let ranks: ProcessGroup
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: The method's settings.
  ///   - bank: One row per image, the same on every rank.
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
  }

  /// The second view is not used.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let v = l2Normalized(encoderQ(batch.views[0]))  // N×C
    let indices = bank.indices(batch.samples)  // N
    let own = bank.rows(indices, on: v.device)  // N×C
    var output =
      switch settings.estimate {
      case .softmax: softmax(v, indices.to(v.device))
      case .noiseContrastive(let m): noiseContrast(v, own, m: m, batch)
      }
    if settings.proximal > 0 {
      output.loss = output.loss + (v - own).pow(2).sum(dim: 1).mean() * settings.proximal
    }
    output.features?.keys = own
    output.keys = ranks.allGather(v.detached())  // W·N×C
    output.indices = ranks.allGather(indices)  // W·N
    return output
  }

  private func softmax(_ v: Tensor, _ targets: Tensor) -> StepOutput {
    let logits = similarities(v / settings.temperature, bank.rows.to(v.device))  // N×n
    return StepOutput(
      loss: crossEntropy(logits, targets), logits: logits, targets: targets,
      features: (v.detached(), v.detached()))
  }

  /// All images of a batch share the *m* rows that are drawn.
  private func noiseContrast(_ v: Tensor, _ own: Tensor, m: Int, _ batch: ViewBatch) -> StepOutput {
    let drawn = bank.drawn(m, seed: seed, step: batch.step, part: batch.part)  // m
    let scaled = v / settings.temperature  // N×C
    let positive = (scaled * own).sum(dim: 1, keepDim: true)  // N×1
    let noise = similarities(scaled, bank.rows(drawn, on: v.device))  // N×m
    let contrast = NoiseContrast(settings.partition, images: bank.count, ranks: ranks)
    return StepOutput(
      loss: contrast(positive, noise: noise), logits: .concatenated([positive, noise], dim: 1),
      features: (v.detached(), v.detached()))
  }

  /// Updates the rows of all ranks' images after the backward pass, with momentum ½ as in the published code.
  public func afterStep(_ parts: [StepOutput]) { bank.update(from: parts) }
}

extension InstDisc {
  public static let kind = MethodKind(
    name: "instdisc", keys: [\.bank, \.mocoDim, \.mocoK, \.mocoT, \.noisePartition, \.mlp], head: Head.ofKey,
    make: { config, context in
      let settings = Settings(
        estimate: config.mocoK < context.images ? .noiseContrastive(m: config.mocoK) : .softmax,
        temperature: config.mocoT, partition: config.noisePartition)
      let encoder = context.encoder()
      return InstDisc(
        settings, bank: context.bank(), seed: context.seed, ranks: context.ranks, encoder: encoder)
    },
    expectedLoss: { _, _ in
      ExpectedLoss(
        course: "the loss starts low, rises while random rows become features (an epoch or two), then falls.")
    },
    summary: { config, facts in
      "memory bank, \(config.mocoK < facts.images ? "K \(config.mocoK)" : "softmax over all"), τ \(config.mocoT)"
    },
    answer: .positiveKey, shortcutCause: MemoryBankMoCo.memorising,
    warnings: { config, facts in config.mocoK < facts.images ? NoiseContrast.warnings(config) : [] },
    passes: { _ in 1 },
    exchanges: { config, _ in MethodKind.Exchange.rows(config) })
}
