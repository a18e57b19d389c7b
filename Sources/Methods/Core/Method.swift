import Models
import Torch

/// A way to learn from two views of images without labels: what a training loop needs to know of it.
///
/// A step is ``begin(momentum:)``, ``draws(for:)`` and ``forward(_:)`` on every part of the batch, backward, the
/// optimizer's update, and ``finish(_:)``.
public protocol Method: AnyObject {
  /// What remains in the end, and what is measured.
  var query: any Backbone { get }
  /// What the optimizer moves, named as in ``state``, in an order that does not change.
  var trained: [Module.Entry] { get }
  /// Everything that a resumed run needs, by name.
  var state: [(name: String, tensor: Tensor)] { get }
  /// The queue of keys, where the method has one: its place is saved too.
  var dictionary: KeyQueue? { get }
  /// What is the same in every rank beside ``trained``: the weights of a key encoder, a dictionary. (Batch statistics
  /// are each rank's own.)
  var followers: [Tensor] { get }
  /// Whether ``forward(_:)`` asks the device for the same operations in every step, and all that changes comes in by the
  /// batch or by tensors that stay where they are: it can then be recorded once and repeated.
  var isRecordable: Bool { get }

  /// What moves before the forward passes: a key encoder, by its momentum *m*.
  func begin(momentum m: Double)
  /// What is drawn at random for a part of a batch, where its images are; of shapes that depend on theirs only.
  func draws(for batch: ViewBatch) -> [Tensor]
  /// The loss of this rank's share of a batch, or of a part of it.
  func forward(_ batch: ViewBatch) -> StepOutput
  /// What moves after the gradient has been taken: a dictionary takes in its new keys.
  func finish(_ parts: [StepOutput])
}

extension Method {
  public var dictionary: KeyQueue? { nil }
  public var followers: [Tensor] { [] }
  public var isRecordable: Bool { false }
  public func begin(momentum m: Double) {}
  public func draws(for batch: ViewBatch) -> [Tensor] { [] }
  public func finish(_ parts: [StepOutput]) {}
}

extension Module {
  /// The state of a module that stands under a name in a larger whole.
  func state(under prefix: String) -> [(name: String, tensor: Tensor)] {
    state.map { ("\(prefix).\($0.name)", $0.tensor) }
  }
}

/// Two views of the same images.
public struct ViewBatch {
  /// N×3×H×W each.
  public let x1: Tensor
  public let x2: Tensor
  /// The number of each image in the data set, N; empty where nobody asked for it.
  public let samples: [Int]
  /// The step of the run, and which part of its batch this is: they decide what is drawn.
  public let step: Int
  public let part: Int
  /// What the method has drawn for it; nothing leaves the drawing to the forward pass.
  public var draws: [Tensor]?

  public init(_ x1: Tensor, _ x2: Tensor, samples: [Int] = [], step: Int, part: Int = 0) {
    (self.x1, self.x2, self.samples, self.step, self.part) = (x1, x2, samples, step, part)
  }
}

/// What a forward pass leaves.
public struct StepOutput {
  /// A scalar with a graph.
  public var loss: Tensor
  /// N×M scores of the keys of a dictionary, without a graph; nothing for methods that do not look keys up.
  public var logits: Tensor?
  /// The column of each query's key in ``logits``, N int64; column 0 unless given.
  public var targets: Tensor?
  /// What the network makes of both views, N×C each, rows of length 1, without a graph.
  public var positives: (queries: Tensor, keys: Tensor)
  /// New keys of all ranks for a dictionary.
  public var keys: Tensor?
  /// The place of each of ``keys`` in a dictionary that has one for every image, int64.
  public var places: Tensor?

  public init(
    loss: Tensor, logits: Tensor? = nil, targets: Tensor? = nil, positives: (queries: Tensor, keys: Tensor),
    keys: Tensor? = nil, places: Tensor? = nil
  ) {
    self.loss = loss
    self.logits = logits?.detached()
    self.targets = targets
    self.positives = positives
    self.keys = keys
    self.places = places
  }

  /// All of its tensors.
  public var tensors: [Tensor] {
    [loss, positives.queries, positives.keys] + [logits, targets, keys, places].compactMap(\.self)
  }

  /// How often the positive key was found; nothing where none was looked up. Waits for the device.
  public var accuracy: ContrastAccuracy? {
    guard let logits else { return nil }
    return targets.map { ContrastAccuracy(logits: logits, positives: $0) } ?? ContrastAccuracy(logits: logits)
  }
}
