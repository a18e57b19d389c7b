import Models
import Torch

/// SimSiam: "Exploring Simple Siamese Representation Learning" (Chen, He 2021, algorithm 1). One encoder
/// predicts its own output for the other view, through which no gradient flows. No negatives, no momentum.
///
/// The paper normalises over all devices (section 3): several ranks need `--sync-bn`.
public final class SimSiam: Module, Method {
  /// f ends in three layers, each followed by batch normalisation (section 3, "Projection MLP").
  /// - Parameters:
  ///   - hidden: 2048 in the paper.
  ///   - outputs: *d*, 2048 in the paper.
  public static func projector(hidden: Int, outputs: Int) -> Head {
    .normalizedMLP(layers: 3, hidden: hidden, outputs: outputs, endsNormalized: true)
  }

  /// h: two layers with a bottleneck of d/4; the last one is not normalised ("Prediction MLP"). (It has no
  /// bias here.)
  public static func predictor(outputs: Int) -> Head {
    .normalizedMLP(layers: 2, hidden: max(1, outputs / 4), outputs: outputs, endsNormalized: false)
  }

  /// f, the encoder to keep.
  public let encoderQ: ImageEncoder
  /// h
  public let predictor: Module

  /// - Parameters:
  ///   - predictor: The layers of ``predictor(outputs:)``, on the encoder's device.
  ///   - encoder: The network with ``projector(hidden:outputs:)`` and initial weights.
  public init(predictor: Module, encoder: ImageEncoder) {
    self.predictor = predictor
    encoderQ = encoder
  }

  public var isCapturable: Bool { true }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let z1 = encoderQ(batch.views[0]), z2 = encoderQ(batch.views[1])  // N×C
    let p1 = predictor(z1), p2 = predictor(z2)  // N×C
    return StepOutput(
      loss: (distance(p1, z2) + distance(p2, z1)) * 0.5,
      features: (l2Normalized(z1.detached()), l2Normalized(z2.detached())))
  }

  /// D(p, stopgrad(z)) = −cos(p, z) (equations 1 and 3), averaged over the batch.
  private func distance(_ p: Tensor, _ z: Tensor) -> Tensor {
    -(l2Normalized(p) * l2Normalized(z.detached())).sum(dim: 1).mean()
  }
}

extension SimSiam {
  public static let kind = MethodKind(
    name: "simsiam", keys: [\.mocoDim, \.mocoMlpDim],
    head: { projector(hidden: $0.mocoMlpDim, outputs: $0.mocoDim) },
    make: { config, context in
      let predictor = context.layers(predictor(outputs: config.mocoDim), inputs: config.mocoDim)
      return SimSiam(predictor: predictor, encoder: context.encoder())
    },
    expectedLoss: { _, _ in ExpectedLoss(chance: 0, formula: "−cos of directions at right angles") },
    collapseCause: BYOL.withoutNegatives, shortcutCause: { _, facts in facts.againstMemorising },
    passes: { _ in 2 })
}
