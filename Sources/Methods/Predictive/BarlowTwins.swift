import Models
import Torch

/// Barlow Twins: "Barlow Twins: Self-Supervised Learning via Redundancy Reduction" (Zbontar, Jing, Misra, LeCun, Deny
/// 2021, algorithm 1). The cross-correlation of two views' features, over the batch, is made the identity: a feature
/// agrees with itself and not with others. No negatives, no momentum.
///
/// The published code normalises over all devices: several ranks need `--sync-bn`.
public final class BarlowTwins: Module, Method {
  /// Three layers, the first two with batch normalisation and ReLU (section 2.2). (Without biases.)
  /// - Parameters:
  ///   - hidden: 8192 in the paper.
  ///   - outputs: *D*, 8192 in the paper.
  public static func projector(hidden: Int, outputs: Int) -> Head {
    .normalizedMLP(layers: 3, hidden: hidden, outputs: outputs, endsNormalized: false)
  }

  /// f: it remains in the end.
  public let encoderQ: ImageEncoder
  /// The processes that train together; features are correlated over the images of all of them.
  public let ranks: ProcessGroup
  /// *λ*, the weight of the redundancy term; 0.005 in the paper (section 2.2).
  public let redundancyWeight: Double

  /// - Parameters:
  ///   - redundancyWeight: *λ*, at least 0.
  ///   - ranks: the processes that train together.
  ///   - encoder: the network with ``projector(hidden:outputs:)`` and fresh weights.
  public init(redundancyWeight: Double = 0.005, ranks: ProcessGroup = .alone, encoder: ImageEncoder) {
    precondition(redundancyWeight >= 0, "λ = \(redundancyWeight) must not be negative")
    self.redundancyWeight = redundancyWeight
    self.ranks = ranks
    encoderQ = encoder
  }

  public var isCapturable: Bool { true }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let z1 = encoderQ(batch.views[0]), z2 = encoderQ(batch.views[1])  // N×D
    let a = standardized(ranks.allGather(z1)), b = standardized(ranks.allGather(z2))  // W·N×D, with a graph
    let images = Double(a.shape.first ?? 1)
    let c = similarities(a.transposed, b.transposed) / images  // D×D (equation 2)
    let diagonal = (a * b).mean(dim: 0)  // D
    let invariance = (1 - diagonal).pow(2).sum()
    let redundancy = c.pow(2).sum() - diagonal.pow(2).sum()
    return StepOutput(
      loss: invariance + redundancy * redundancyWeight,  // equation 1
      features: (l2Normalized(z1.detached()), l2Normalized(z2.detached())))
  }

  /// Every feature to mean 0 and deviation 1 over the batch, as batch normalisation does; never in bfloat16.
  private func standardized(_ z: Tensor) -> Tensor {
    let z = z.dtype == .bfloat16 ? z.to(.float32) : z
    let centred = z - z.mean(dim: 0, keepDim: true)
    return centred / (centred.pow(2).mean(dim: 0, keepDim: true) + 1e-5).sqrt()
  }
}

extension BarlowTwins {
  public static let kind = MethodKind(
    name: "barlow-twins", keys: [\.mocoDim, \.mocoMlpDim],
    head: { projector(hidden: $0.mocoMlpDim, outputs: $0.mocoDim) },
    make: { _, context in BarlowTwins(ranks: context.ranks, encoder: context.encoder()) },
    expectedLoss: { config, _ in
      ExpectedLoss(chance: Double(config.mocoDim), formula: "D of features that agree with nothing")
    },
    collapseCause: { _, facts in
      "Only the decorrelation of features over the batch holds them apart. Probable causes: \(facts.highRate), a batch "
        + "that is too small (--batch-size, now \(facts.batchSize)), or images that hardly differ."
    }, shortcutCause: { _, facts in facts.againstMemorising },
    trainsOnSphere: false, passes: { _ in 2 },
    exchanges: { config, _ in [.keys(2 * config.mocoDim, hasGradient: true)] })
}
