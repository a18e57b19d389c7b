import Models
import Torch

/// BYOL: "Bootstrap Your Own Latent" (Grill et al. 2020, section 3). An online network predicts the features
/// of the other view from a slow copy of itself. No negatives.
///
/// The published code normalises over all devices: several ranks need `--sync-bn`.
public final class BYOL: Module, Method {
  /// Linear, batch normalisation, ReLU, linear (section 3.3): the projector behind the features, and the
  /// predictor behind the projector. (Without the biases of the paper's layers.)
  /// - Parameters:
  ///   - hidden: 4096 in the paper.
  ///   - outputs: 256 in the paper.
  public static func head(hidden: Int, outputs: Int) -> Head {
    .normalizedMLP(layers: 2, hidden: hidden, outputs: outputs, endsNormalized: false)
  }

  /// f_θ and g_θ, the encoder to keep.
  public let encoderQ: ImageEncoder
  /// f_ξ and g_ξ, the target network.
  public let encoderK: MomentumEncoder
  /// q_θ
  public let predictor: Module

  /// - Parameters:
  ///   - predictor: The layers of ``head(hidden:outputs:)``, on the encoders' device.
  ///   - encoder: Makes a network with that head and initial weights; called for the online and the target
  ///     network.
  public init(predictor: Module, encoder: () -> ImageEncoder) {
    self.predictor = predictor
    encoderQ = encoder()
    encoderK = MomentumEncoder(of: encoderQ, copy: encoder())
  }

  /// ξ ← τ·ξ + (1 − τ)·θ, where τ goes from 0.996 to 1 (equation 1 and section 3.2). The paper updates the
  /// target after the step, which is equivalent to before the next one.
  public func beforeForward(momentum m: Double) { encoderK.update(momentum: m) }

  public var isCapturable: Bool { true }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x1 = batch.views[0], x2 = batch.views[1]  // N×3×H×W
    let q1 = l2Normalized(predictor(encoderQ(x1)))  // N×C
    let q2 = l2Normalized(predictor(encoderQ(x2)))  // N×C
    let z1 = encoderK.keys(x1), z2 = encoderK.keys(x2)  // N×C, without a graph
    return StepOutput(loss: distance(q1, z2) + distance(q2, z1), features: (q1.detached(), z2))
  }

  /// ‖q − z‖² = 2 − 2·q·z (equation 2), averaged over the batch.
  private func distance(_ q: Tensor, _ z: Tensor) -> Tensor { 2 - 2 * (q * z).sum(dim: 1).mean() }
}

extension BYOL {
  public static let kind = MethodKind(
    name: "byol", keys: [\.mocoDim, \.mocoMlpDim, \.mocoM, \.mocoMCos], head: head,
    make: { config, context in
      let predictor = context.layers(head(config), inputs: config.mocoDim)
      return BYOL(predictor: predictor, encoder: context.encoder)
    },
    expectedLoss: { _, _ in
      ExpectedLoss(chance: 4, formula: "2·‖q − z‖² of directions at right angles")
    },
    summary: { config, _ in "m \(config.mocoM)\(config.mocoMCos ? " to 1" : "")" },
    collapseCause: withoutNegatives, shortcutCause: { _, facts in facts.againstMemorising },
    passes: { _ in 2 })

  private static func head(_ config: RunConfig) -> Head {
    head(hidden: config.mocoMlpDim, outputs: config.mocoDim)
  }

  static func withoutNegatives(_ config: RunConfig, _ facts: RunFacts) -> String {
    "No negatives hold features apart, only the predictor and batch normalisation. Probable causes: "
      + "\(facts.highRate), a batch that is too small to normalise (--batch-size, now \(facts.batchSize)), or images "
      + "that hardly differ."
  }
}
