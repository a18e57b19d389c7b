import Models
import Torch

/// A way to learn from views of images without labels: the training loop's interface to it.
///
/// A method is a module. Its encoders, predictors and dictionaries are stored properties, and their names are
/// the names of its tensors in checkpoints: `encoderQ` is `encoder_q.…`, a ``KeyQueue`` named `queue` is
/// `queue`.
///
/// A step is ``beforeForward(momentum:)``, ``shuffles(for:)`` and ``forward(_:)`` on every part of the batch,
/// backward, the optimizer's update, and ``afterStep(_:)``.
public protocol Method: Module {
  /// The encoder that is kept after training and evaluated.
  var encoderQ: ImageEncoder { get }
  /// Whether ``forward(_:)`` runs the same device operations in every step, with all changing inputs in the
  /// batch or in tensors that stay in place: it can then be captured once as a CUDA graph and replayed.
  var isCapturable: Bool { get }

  /// Updates the key encoder by its momentum *m*; runs before the forward passes.
  func beforeForward(momentum m: Double)
  /// The orders in which keys are encoded, drawn for one part of a batch, on its images' device.
  func shuffles(for batch: ViewBatch) -> [KeyShuffle]
  /// The loss of this rank's share of a batch, or of a part of it.
  func forward(_ batch: ViewBatch) -> StepOutput
  /// Updates a dictionary with its new keys; runs after the optimizer's update.
  func afterStep(_ parts: [StepOutput])
  /// Puts the keys of a batch's second views into the dictionary, without learning: to fill it.
  func enqueueKeys(of batch: ViewBatch)
  /// Runs before the first step of an epoch (counted from 0), behind the checkpoint of the step before: for
  /// computations over all images. A run that goes on from that checkpoint runs it again.
  /// - Parameter isStopped: Whether a signal ends the run; read every now and then.
  /// - Returns: Whether it came to its end, in every rank; false soon after `isStopped` in one of them.
  func epochBegins(_ epoch: Int, isStopped: () -> Bool) -> Bool
}

extension Method {
  public var isCapturable: Bool { false }
  public func beforeForward(momentum m: Double) {}
  public func shuffles(for batch: ViewBatch) -> [KeyShuffle] { [] }
  public func afterStep(_ parts: [StepOutput]) {}
  public func enqueueKeys(of batch: ViewBatch) {}
  public func epochBegins(_ epoch: Int, isStopped: () -> Bool) -> Bool { true }

  /// The parameters that the optimizer updates. In optimizer files the query encoder's names have no prefix.
  public var trainable: [Entry] {
    namedParameters.map { entry in
      let prefix = EncoderRole.query.prefix
      let name = entry.name.hasPrefix(prefix) ? String(entry.name.dropFirst(prefix.count)) : entry.name
      return Entry(name: name, tensor: entry.tensor, kind: entry.kind)
    }
  }

  /// The other tensors that are equal in all ranks: fixed parameters, such as a key encoder's, and
  /// dictionaries. (Each rank has its own batch statistics.)
  public var replicated: [Tensor] {
    state.filter { $0.kind == .fixed }.map(\.tensor) + ownBuffers.map(\.tensor)
  }

  /// The queue of keys, if the method has one: its pointer is saved too.
  public var dictionary: KeyQueue? { queues.first }
  /// All queues of keys. They have one size and get equal numbers of keys, so that one pointer is that of all.
  public var queues: [KeyQueue] { ownBuffers.compactMap { $0 as? KeyQueue } }
}
