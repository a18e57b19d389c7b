import Models
import Torch

/// A way to learn from views of images without labels: all that a training loop knows of it.
///
/// A method is a module. Its encoders, predictors and dictionaries are stored properties, and the names of its tensors
/// in checkpoints follow from them: `encoderQ` is `encoder_q.…`, a ``KeyQueue`` named `queue` is `queue`.
///
/// A step is ``beforeForward(momentum:)``, ``shuffles(for:)`` and ``forward(_:)`` on every part of the batch, backward,
/// the optimizer's update, and ``afterStep(_:)``.
public protocol Method: Module {
  /// The encoder that remains in the end and is measured.
  var encoderQ: ImageEncoder { get }
  /// Whether ``forward(_:)`` runs the same operations on the device in every step, and everything that changes comes in
  /// by the batch or by tensors that stay in place: it can then be captured once as a CUDA graph and replayed.
  var isCapturable: Bool { get }

  /// Updates the key encoder by its momentum *m*; runs before the forward passes.
  func beforeForward(momentum m: Double)
  /// The orders in which keys are encoded, drawn for a part of a batch, on the device of its images.
  func shuffles(for batch: ViewBatch) -> [KeyShuffle]
  /// The loss of this rank's share of a batch, or of a part of it.
  func forward(_ batch: ViewBatch) -> StepOutput
  /// Updates a dictionary by its new keys; runs after the optimizer's update.
  func afterStep(_ parts: [StepOutput])
  /// Runs after the last step of an epoch, counted from 0, before the checkpoint: for what is computed from all images.
  func epochEnded(_ epoch: Int)
}

extension Method {
  public var isCapturable: Bool { false }
  public func beforeForward(momentum m: Double) {}
  public func shuffles(for batch: ViewBatch) -> [KeyShuffle] { [] }
  public func afterStep(_ parts: [StepOutput]) {}
  public func epochEnded(_ epoch: Int) {}

  /// The parameters that the optimizer updates. Files of optimizers name those of the query encoder without a prefix.
  public var trainable: [Entry] {
    namedParameters.map { entry in
      let prefix = EncoderRole.query.prefix
      let name = entry.name.hasPrefix(prefix) ? String(entry.name.dropFirst(prefix.count)) : entry.name
      return Entry(name: name, tensor: entry.tensor, kind: entry.kind)
    }
  }

  /// What is equal in all ranks beside ``trainable``: fixed parameters, such as a key encoder's, and dictionaries. (Batch
  /// statistics are each rank's own.)
  public var replicated: [Tensor] {
    state.filter { $0.kind == .fixed }.map(\.tensor) + ownBuffers.map(\.tensor)
  }

  /// The queue of keys, where the method has one: its pointer is saved too.
  public var dictionary: KeyQueue? { ownBuffers.lazy.compactMap { $0 as? KeyQueue }.first }
}
