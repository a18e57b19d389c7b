import Foundation
import Models
import Torch

/// A trained query encoder and its description.
///
///     let encoder = try TrainedEncoder("runs/v2")         // or moco_v2.safetensors
///     let size = encoder.spec.imageSize                    // images are N×3×size×size,
///     let normalization = encoder.spec.normalization       // normalised like this
///     let features = withNoGrad { encoder.network.features(images) }  // N×C
public struct TrainedEncoder {
  /// In evaluation mode.
  public let network: ImageEncoder
  public let spec: EncoderSpec
  /// The number of steps it was trained for; nil where only the weights are known.
  public let step: Int?
  /// The use of its head, where the file states it.
  public let head: HeadKind?
  public let path: String
  /// The configuration of the run that made it, as JSON; nil for weights from elsewhere.
  package let config: String?
  /// Newer checkpoints that were damaged, one message each.
  public let warnings: [String]

  /// Reads a run folder, a checkpoint folder or a `.safetensors` file that this program wrote.
  /// - Throws: ``CheckpointError``, ``StateMismatch``, or an error of ``Checkpoint/encoderSpec``.
  public init(_ path: String, on device: Device = .cpu) throws {
    let checkpoint = try Checkpoint.load(path, optimizer: false)
    let spec = try checkpoint.encoderSpec
    network = try withTorchErrors { spec.makeEncoder(on: device, using: Generator(seed: 0)) }
    try network.load(checkpoint.encoder(.query))
    network.train(false)
    self.spec = spec
    step = checkpoint.state?.step
    (head, self.path) = (checkpoint.head, path)
    config = checkpoint.metadata["config"]
    warnings = checkpoint.warnings
  }
}
