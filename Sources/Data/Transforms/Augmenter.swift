import Torch

/// The second half of the transforms: turns a loader's batch into the network's input, on the training device.
package final class Augmenter {
  private let transforms: [Transform]
  private let seed: UInt64
  private let augment: [ColorAugmenter]

  /// - Parameters:
  ///   - views: The transforms that the loader has.
  ///   - seed: The sampler's.
  ///   - device: Where the views are made.
  package init(views: [Transform], seed: UInt64, device: Device) {
    transforms = views
    self.seed = seed
    augment = views.map { ColorAugmenter($0.shape, normalization: $0.normalization, device: device) }
  }

  /// One tensor a view: N×3×H×W float32, channels last in memory.
  /// - Parameter asynchronously: Whether it may return before the batch has been read, which then stays until the device
  ///   has done its work.
  package func callAsFunction(_ batch: Batch, asynchronously: Bool = false) -> [Tensor] {
    precondition(
      batch.views.count == transforms.count,
      "a batch of \(batch.views.count) views for \(transforms.count) transforms")
    return transforms.indices.map { view in
      let parameters = batch.drawIndices.map {
        transforms[view].colorParameters(seed: seed, epoch: batch.epoch, sample: $0, view: view)
      }
      return augment[view](batch.views[view], parameters, asynchronously: asynchronously)
    }
  }

  /// The same for pixels that are on the device already, B×H×W×3 bytes a view.
  func callAsFunction(_ pixels: [Tensor], samples: [Int], epoch: Int) -> [Tensor] {
    transforms.indices.map { view in
      let parameters = samples.map {
        transforms[view].colorParameters(seed: seed, epoch: epoch, sample: $0, view: view)
      }
      return augment[view](pixels[view], parameters)
    }
  }
}
