import Torch

/// The second half of a recipe: turns a loader's batch into what the network sees, on the training device.
public final class Augmenter {
  private let recipes: [Transform]
  private let seed: UInt64
  private let augment: [ColorAugmenter]

  /// - Parameters:
  ///   - device: Where the views are made.
  ///   - views: The recipes that the loader was given.
  ///   - seed: The sampler's.
  public init(views: [Transform], seed: UInt64, device: Device) {
    recipes = views
    self.seed = seed
    augment = views.map {
      ColorAugmenter(imageSize: $0.imageSize, normalization: $0.normalization, device: device)
    }
  }

  /// One tensor a view: N×3×S×S float32, channels last in memory.
  /// - Parameter asynchronously: Whether it may return before the batch has been read, which then stays until the device
  ///   has done what it was asked for.
  public func callAsFunction(_ batch: Batch, asynchronously: Bool = false) -> [Tensor] {
    precondition(
      batch.views.count == recipes.count, "a batch of \(batch.views.count) views for \(recipes.count) recipes"
    )
    return recipes.indices.map { view in
      let parameters = batch.drawIndices.map {
        recipes[view].colorParameters(seed: seed, epoch: batch.epoch, sample: $0, view: view)
      }
      return augment[view](batch.views[view], parameters, asynchronously: asynchronously)
    }
  }

  /// The same for pixels that are on the device already, B×S×S×3 bytes a view.
  func callAsFunction(_ pixels: [Tensor], samples: [Int], epoch: Int) -> [Tensor] {
    recipes.indices.map { view in
      let parameters = samples.map {
        recipes[view].colorParameters(seed: seed, epoch: epoch, sample: $0, view: view)
      }
      return augment[view](pixels[view], parameters)
    }
  }

  /// The views of a two-view recipe.
  public func pair(_ batch: Batch, asynchronously: Bool = false) -> (query: Tensor, key: Tensor) {
    precondition(recipes.count == 2, "\(recipes.count) views where a query and a key are wanted")
    let views = self(batch, asynchronously: asynchronously)
    return (views[0], views[1])
  }
}

extension MultiViewTransform {
  /// The query's, then the key's.
  public var views: [Transform] { [query, key] }
}
