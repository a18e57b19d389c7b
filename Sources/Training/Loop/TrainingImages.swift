import Data
import Methods
import Torch

/// The images of a run: decoded step by step, or kept in memory by `--cache memory`.
struct TrainingImages {
  private let config: RunConfig
  private let sampler: EpochSampler
  private let device: Device
  private let retries: ShardRetries
  private let dataset: Dataset
  /// Images that lie on the device.
  private let cache: DeviceCache?

  /// - Parameters:
  ///   - config: The run's.
  ///   - dataset: The images.
  ///   - sampler: Their order.
  ///   - device: The device of the training.
  ///   - retries: How often a shard that breaks is started again.
  init(
    _ config: RunConfig, _ dataset: Dataset, _ sampler: EpochSampler, on device: Device, retries: ShardRetries
  ) throws {
    (self.config, self.sampler, self.device, self.retries) = (config, sampler, device, retries)
    // The device's resampling is bilinear.
    let isOnDevice =
      config.cache == .memory && device != .cpu
      && config.transform.views.allSatisfy { $0.interpolation == .bilinear }
    cache =
      isOnDevice
      ? try DeviceCache(dataset, on: device, limit: RunConfig.deviceCacheLimit, maxBad: config.maxBad) : nil
    let isCached = config.cache == .memory && cache == nil
    self.dataset = isCached ? dataset.cached(limit: RunConfig.cacheLimit) : dataset
  }

  /// The views of the steps from `first` on.
  /// - Parameter side: Of the views, in pixels.
  func views(of side: Int, from first: Int) -> ViewPipeline {
    let (epoch, batch) = first.quotientAndRemainder(dividingBy: sampler.batchesPerEpoch)
    let transform = config.transform(side: side)
    if let cache {
      return ViewPipeline(
        cache, sampler: sampler, transform: transform, device: device, epoch: epoch, batch: batch)
    }
    let loader = DataLoader(
      dataset, views: transform.views, sampler: sampler, workers: config.workerCount, epoch: epoch,
      batch: batch, maxBad: config.maxBad, retries: retries, device: device)
    return ViewPipeline(loader, sampler: sampler, transform: transform, device: device)
  }
}
