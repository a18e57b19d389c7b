import Data
import Files
import Methods
import Models
import Torch
import Weights

extension Learner {
  /// Gives the encoders the weights of `--init`. All other parts stay as they were drawn.
  /// - Returns: sentences without a full stop: what was taken, and what starts fresh.
  /// - Throws: `UsageError` where the weights are those of another network.
  func start(from weights: InitialWeights, config: RunConfig) throws -> [String] {
    let query = try weights.fitted(to: config.encoderSpec)
    var (notes, key) = (query.notes, [String: Tensor]())
    if config.kind.hasKeyEncoder, config.initKey == .file {
      let own = try weights.fitted(to: config.encoderSpec, role: .key)
      key = own.tensors
      notes += own.notes.map { "key encoder's \($0)" }
    } else if !method.encoderTensors(.key).isEmpty {
      notes.append("key encoder: a copy of the query encoder")
    }
    try withTorchErrors { method.start(query: query.tensors, key: key) }
    if !method.otherParts.isEmpty { notes.append("fresh: \(method.otherParts.joined(separator: ", "))") }
    return notes
  }

  /// Fills the dictionary with the keys of new views of the images, which the key encoder makes in training mode. Its
  /// running statistics stay as they are.
  /// - Parameters:
  ///   - source: batches of the run's size, this rank's rows.
  ///   - batchSize: images of a batch, of all ranks together.
  ///   - progress: called with the keys that are there, and all.
  func fillDictionary(
    from source: ViewPipeline, batchSize: Int, progress: (_ done: Int, _ all: Int) -> Void
  ) throws {
    guard let queue = method.dictionary else { return }
    let statistics = method.state.filter { $0.kind == .buffer && $0.name.hasPrefix(EncoderRole.key.prefix) }
    let before = try withTorchErrors { statistics.map { $0.tensor.clone() } }
    var done = 0
    while done < queue.capacity, let batch = try source.next() {
      try enqueueKeys(of: batch.views)
      done += batchSize
      progress(min(done, queue.capacity), queue.capacity)
    }
    try withTorchErrors {
      withNoGrad { for (entry, old) in zip(statistics, before) { entry.tensor.copy(from: old) } }
    }
  }

  /// The epoch whose images fill a dictionary: behind the last that a run can have, so that no step sees the same views.
  static let fillingEpoch = 1_000_000
}
