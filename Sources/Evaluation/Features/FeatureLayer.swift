import Files
import Models
import Torch
import Weights

/// Which features of an encoder are used.
package enum FeatureLayer: String, Codable, Sendable, CaseIterable {
  /// The spatial mean of a stage's output; for a transformer, the class token after a block.
  case layer1, layer2, layer3, layer4
  /// The backbone's output, for transfer: the last stage's.
  case pooled
  /// The vector in the contrastive loss, before its normalisation.
  case head

  private var stage: Int? {
    switch self {
    case .layer1: 1
    case .layer2: 2
    case .layer3: 3
    case .layer4: 4
    case .pooled, .head: nil
    }
  }

  /// Raises an error if the encoder does not have the stage.
  func validate(for encoder: ImageEncoder) throws {
    guard let stage, stage > encoder.backbone.stageCount else { return }
    throw UsageError(
      "--layer \(rawValue): \(encoder.architecture.rawValue) has layer1 to layer\(encoder.backbone.stageCount), pooled "
        + "and head.")
  }

  /// Raises an error if a file's encoder does not have the layer.
  package func validate(for encoder: TrainedEncoder) throws {
    try validate(for: encoder.network)
    guard self == .head, encoder.head == .missing else { return }
    throw UsageError(
      "--layer head: \(encoder.path) was imported without a head. Measure pooled, which transfers, or another layer."
    )
  }

  /// N×3×H×W → N×C float32.
  func output(of encoder: ImageEncoder, _ x: Tensor) -> Tensor {
    (self == .head ? encoder(x) : encoder.features(x, stage: stage)).to(.float32)
  }
}
