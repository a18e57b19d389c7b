import Torch

/// The results of a forward pass.
public struct StepOutput {
  /// A scalar with a graph.
  public var loss: Tensor
  /// N×M scores of a dictionary's keys, without a graph; nil for methods without a dictionary.
  public var logits: Tensor?
  /// The column of each query's key in ``logits``, N int64; column 0 unless given.
  public var targets: Tensor?
  /// The network's features of two views, N×C each, rows of length 1, without a graph; nil for methods with
  /// one view.
  public var features: (queries: Tensor, keys: Tensor)?
  /// New keys of all ranks for a dictionary, M×C.
  public var keys: Tensor?
  /// The dictionary row of each of ``keys``, M int64; for dictionaries with a row for every image.
  public var indices: Tensor?

  public init(
    loss: Tensor, logits: Tensor? = nil, targets: Tensor? = nil,
    features: (queries: Tensor, keys: Tensor)? = nil, keys: Tensor? = nil, indices: Tensor? = nil
  ) {
    self.loss = loss
    self.logits = logits?.detached()
    self.targets = targets
    self.features = features
    self.keys = keys
    self.indices = indices
  }

  /// All its tensors.
  public var tensors: [Tensor] {
    [loss] + [features?.queries, features?.keys, logits, targets, keys, indices].compactMap(\.self)
  }

  /// The accuracy of finding the positive key; nil without a dictionary. Waits for the device.
  public var accuracy: ContrastAccuracy? {
    guard let logits else { return nil }
    return targets.map { ContrastAccuracy(logits: logits, positives: $0) } ?? ContrastAccuracy(logits: logits)
  }
}
