import Foundation
import Images
import Torch

/// Which samples make which batch, and how each becomes bytes: all that a loader's result depends on.
struct LoadPlan: Sendable {
  enum Pass: Sendable {
    /// Epoch after epoch, one random view a recipe.
    case training(EpochOrders, recipes: [ViewRecipe])
    /// Once through in order, one view as evaluation sees it, the last batch smaller.
    case evaluation(batchSize: Int)
  }

  let dataset: Dataset
  let pass: Pass
  let imageSize: Int
  /// The first batch, counted from the beginning of epoch 0.
  let first: Int
  /// The batch to stop before; nil never stops.
  let end: Int?

  var batchSize: Int {
    switch pass {
    case .training(let orders, _): orders.sampler.batchSize
    case .evaluation(let batchSize): batchSize
    }
  }
  var viewCount: Int {
    switch pass {
    case .training(_, let recipes): recipes.count
    case .evaluation: 1
    }
  }
  /// Bytes of one sample's view.
  var rowBytes: Int { imageSize * imageSize * 3 }

  /// Epoch and place in it.
  func position(_ batch: Int) -> (epoch: Int, index: Int) {
    switch pass {
    case .training(let orders, _):
      let perEpoch = orders.sampler.batchesPerEpoch
      return (batch / perEpoch, batch % perEpoch)
    case .evaluation: return (0, batch)
    }
  }

  /// The samples of a batch.
  func samples(_ batch: Int) -> [Int] {
    let (epoch, index) = position(batch)
    switch pass {
    case .training(let orders, _): return Array(orders[epoch][orders.sampler.range(ofBatch: index)])
    case .evaluation(let batchSize):
      return Array(index * batchSize..<min((index + 1) * batchSize, dataset.count))
    }
  }

  func rowCount(_ batch: Int) -> Int {
    switch pass {
    case .training: batchSize
    case .evaluation(let batchSize): min(batchSize, dataset.count - batch * batchSize)
    }
  }

  /// What came of a sample.
  struct Outcome {
    /// The sample whose picture was written; nil if there is none.
    var shown: Int?
    var bad: BadFile?
  }

  /// Decodes once and writes one row a view. A sample that cannot be read is replaced, in training, by another that
  /// follows from the seed, the epoch and the sample alone.
  func write(_ sample: Int, batch: Int, to rows: [UnsafeMutableRawBufferPointer]) throws -> Outcome {
    do {
      try write(dataset.image(sample), sample, batch, rows)
      return Outcome(shown: sample)
    } catch  where isFileToBlame(error) {
      let bad = BadFile(sample: sample, of: dataset, error)
      guard case .training(let orders, _) = pass else { return Outcome(bad: bad) }
      var generator = CounterGenerator(
        seed: orders.sampler.seed, .substitution, position(batch).epoch, sample)
      for _ in 0..<100 {
        let other = generator.index(below: dataset.count)
        do {
          try write(dataset.image(other), sample, batch, rows)
          return Outcome(shown: other, bad: bad)
        } catch  where isFileToBlame(error) { continue }
      }
      throw LoaderError.noSubstitute(bad)
    }
  }

  private func write(
    _ image: RGBImage, _ sample: Int, _ batch: Int, _ rows: [UnsafeMutableRawBufferPointer]
  ) throws {
    switch pass {
    case .training(let orders, let recipes):
      let epoch = position(batch).epoch
      for (view, recipe) in recipes.enumerated() {
        let geometry = recipe.geometry(
          seed: orders.sampler.seed, epoch: epoch, sample: sample, view: view, width: image.width,
          height: image.height)
        try image.write(geometry, size: imageSize, to: rows[view])
      }
    case .evaluation:
      try image.writeForEvaluation(size: imageSize, to: rows[0])
    }
  }
}

/// The orders of the epoch being read and of the next, each drawn once.
final class EpochOrders: @unchecked Sendable {  // `orders` is only touched with the lock held.
  let sampler: EpochSampler
  private let lock = NSLock()
  private var orders: [Int: [Int]] = [:]

  init(_ sampler: EpochSampler) { self.sampler = sampler }

  subscript(epoch: Int) -> [Int] {
    lock.lock()
    defer { lock.unlock() }
    if let order = orders[epoch] { return order }
    orders = orders.filter { $0.key >= epoch - 1 }
    let order = sampler.order(epoch: epoch)
    orders[epoch] = order
    return order
  }
}
