import Models
import Torch

/// SimCLR: "A Simple Framework for Contrastive Learning of Visual Representations" (Chen, Kornblith, Norouzi, Hinton
/// 2020, algorithm 1). One encoder; the other 2(N − 1) views of the batch are the negatives (NT-Xent, equation 1).
///
/// The paper normalises over all devices (section 2.2): several ranks need `--sync-bn`.
public final class SimCLR: Module, Method {
  /// *τ*; 0.5 for CIFAR-10 (appendix B.9), 0.1 for ImageNet.
  public let temperature: Double
  /// f and g: the encoder with its projection head, an MLP (section 2.1).
  public let encoderQ: ImageEncoder
  public let ranks: ProcessGroup

  /// - Parameters:
  ///   - temperature: *τ*, above 0.
  ///   - ranks: The processes that train together; the views of all of them are negatives.
  ///   - encoder: The network with initial weights.
  public init(temperature: Double, ranks: ProcessGroup = .alone, encoder: ImageEncoder) {
    precondition(temperature > 0, "temperature τ = \(temperature) must be positive")
    self.temperature = temperature
    self.ranks = ranks
    encoderQ = encoder
  }

  public var isCapturable: Bool { true }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    // Both views are encoded in one batch, so that batch normalisation sees 2N images as in the published
    // code.
    let z = l2Normalized(encoderQ(batch.concatenated))  // 2N×C
    let n = (z.shape.first ?? 0) / 2
    let z1 = z.narrowed(0..<n), z2 = z.narrowed(n..<2 * n)  // N×C
    let all = Tensor.concatenated([ranks.allGather(z1), ranks.allGather(z2)])  // 2·W·N×C, with a graph

    let other = n * ranks.rank.count  // the first row of the second views
    let columns = Tensor.arange(2 * other, on: z.device)
    let own = ranks.localRows(of: other)
    let firsts = columns.narrowed(own)
    let seconds = columns.narrowed(own.lowerBound + other..<own.upperBound + other)
    let itself = Tensor.concatenated([firsts, seconds]).reshaped([2 * n, 1])  // a view's own column
    let targets = Tensor.concatenated([seconds, firsts])  // 2N: that of the image's other view
    let similarity = similarities(z / temperature, all)  // 2N×2·W·N
    let lowest = Tensor.full(-1e9, [], dtype: z.dtype, on: z.device)
    let logits = Tensor.where(columns .== itself, lowest, similarity)  // 1[k ≠ i]
    return StepOutput(
      loss: crossEntropy(logits, targets), logits: logits, targets: targets,
      features: (z1.detached(), z2.detached()))
  }
}

extension SimCLR {
  public static let kind = MethodKind(
    name: "simclr", keys: [\.mocoDim, \.mocoT, \.mlp], head: Head.ofKey,
    make: { config, context in
      SimCLR(temperature: config.mocoT, ranks: context.ranks, encoder: context.encoder())
    },
    expectedLoss: { config, facts in
      ExpectedLoss(negatives: 2 * facts.passSize - 2, formula: "log(2N−1)", config)
    },
    summary: { config, _ in "τ \(config.mocoT)" }, answer: .positiveKey,
    shortcutCause: MoCoV3.sharedBatchCause, passes: { _ in 1 },
    exchanges: { config, _ in [.keys(2 * config.mocoDim, hasGradient: true)] })
}
