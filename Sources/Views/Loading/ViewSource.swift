import Torch

/// What training sees, step after step: two views of the next images, on the training device.
public final class ViewSource {
  /// Views of the same images, N×3×S×S each.
  public struct Pair {
    public let query: Tensor
    public let key: Tensor
    /// The image of each row, by its number in the data set, as the sampler chose it. Where an image could not be
    /// read another is shown under its number.
    public let samples: [Int]
    /// Seconds spent waiting for data.
    public let waited: Double
  }

  private enum Origin {
    case loader(Loader)
    case device(DeviceCache)
  }

  private let origin: Origin
  private let sampler: EpochSampler
  private let recipes: [ViewRecipe]
  private let augment: Augmenter
  private var next: (epoch: Int, batch: Int)
  private var order: (epoch: Int, samples: [Int])?

  /// Images that come from decoding threads.
  ///
  /// - Parameters:
  ///   - loader: Starts where training does.
  ///   - sampler: The loader's.
  ///   - recipe: The loader's.
  ///   - device: Where the views are made.
  public init(_ loader: Loader, sampler: EpochSampler, recipe: TwoViewRecipe, device: Device) {
    origin = .loader(loader)
    self.sampler = sampler
    recipes = recipe.views
    augment = Augmenter(views: recipes, seed: sampler.seed, device: device)
    next = (0, 0)
  }

  /// Images that lie on the device; the views are the same as a loader's.
  ///
  /// - Parameters:
  ///   - cache: The images.
  ///   - sampler: Orders them.
  ///   - recipe: Makes the views.
  ///   - device: Where the images are.
  ///   - epoch: Where to start.
  ///   - batch: Place in that epoch.
  public init(
    _ cache: DeviceCache, sampler: EpochSampler, recipe: TwoViewRecipe, device: Device, epoch: Int, batch: Int
  ) {
    origin = .device(cache)
    self.sampler = sampler
    recipes = recipe.views
    augment = Augmenter(views: recipes, seed: sampler.seed, device: device)
    next = (epoch, batch)
  }

  /// Images that could not be read so far.
  public var badFiles: [BadFile] {
    switch origin {
    case .loader(let loader): loader.badFiles
    case .device(let cache): cache.badFiles
    }
  }

  /// The next pair; nil after a loader's last.
  ///
  /// - Throws: ``LoaderError``, `TorchError`.
  public func pair() throws -> Pair? {
    switch origin {
    case .loader(let loader):
      guard let batch = try loader.next() else { return nil }
      let views = try withTorchErrors { augment.pair(batch) }
      return Pair(query: views.query, key: views.key, samples: batch.drawIndices, waited: batch.waited)
    case .device(let cache):
      let (epoch, samples) = nextSamples()
      let views = try withTorchErrors {
        let pixels = try cache.views(samples, recipes, seed: sampler.seed, epoch: epoch)
        return augment(pixels, samples: samples, epoch: epoch)
      }
      return Pair(query: views[0], key: views[1], samples: samples, waited: 0)
    }
  }

  private func nextSamples() -> (epoch: Int, samples: [Int]) {
    if next.batch == sampler.batchesPerEpoch { next = (next.epoch + 1, 0) }
    let (epoch, batch) = next
    let samples = order.flatMap { $0.epoch == epoch ? $0.samples : nil } ?? sampler.order(epoch: epoch)
    order = (epoch, samples)
    next.batch += 1
    return (epoch, Array(samples[sampler.positions(ofBatch: batch)]))
  }
}
