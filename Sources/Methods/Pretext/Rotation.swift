import Models
import Torch

/// Rotation: "Unsupervised Representation Learning by Predicting Image Rotations" (Gidaris, Singh, Komodakis
/// 2018, section 2). The network predicts which of four angles an image was turned by; all four copies of an
/// image are in the batch (section 3.1), and each view counts as an image.
public final class Rotation: Module, Method {
  /// One linear layer with four classes: 0°, 90°, 180° and 270°.
  public static let head = Head.linear(outputs: 4)

  /// The encoder with the classifier behind it.
  public let encoderQ: ImageEncoder

  /// - Parameter encoder: The network with ``head`` and initial weights.
  public init(encoder: ImageEncoder) { encoderQ = encoder }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x = batch.concatenated  // 2N×3×H×W
    let turned = Tensor.concatenated((0..<4).map { quarterTurns($0, x) })  // 8N×3×H×W
    let features = encoderQ.features(turned)  // 8N×F
    let logits = encoderQ.project(features)  // 8N×4
    let images = x.shape.first ?? 0
    let targets = Tensor((0..<4 * images).map { $0 / max(1, images) }, on: x.device)  // 8N: quarter turns
    let upright = l2Normalized(features.detached().narrowed(0..<images))  // 2N×F
    return StepOutput(
      loss: crossEntropy(logits, targets), logits: logits, targets: targets,
      features: halves(upright))
  }

  /// Counter-clockwise, by transposing and flipping (section 2.2): N×3×H×W, where H = W.
  private func quarterTurns(_ count: Int, _ x: Tensor) -> Tensor {
    switch count {
    case 1: x.transposed.flipped(dim: 2)
    case 2: x.flipped(dim: 2).flipped(dim: 3)
    case 3: x.flipped(dim: 2).transposed
    default: x
    }
  }
}

extension Rotation {
  public static let kind = MethodKind(
    name: "rotation", keys: [], head: { _ in head },
    make: { _, context in Rotation(encoder: context.encoder()) },
    expectedLoss: { _, _ in
      ExpectedLoss(chance: InfoNCE.chanceLoss(negatives: 3), formula: "log(4)")
    },
    answer: .task, collapseCause: unanswerable, shortcutCause: { _, _ in lateLayers }, trainsOnSphere: false,
    passes: { _ in 1 }, featureSize: { $0.arch.featureSize })

  static func unanswerable(_ config: RunConfig, _ facts: RunFacts) -> String {
    "Probable causes: \(facts.highRate), or a task that these images do not answer, as a ball looks the same from all "
      + "sides."
  }

  static let lateLayers =
    "the last layers serve the task alone, or it has a shortcut. An earlier layer may be better: moco knn "
    + "--layer layer2."
}
