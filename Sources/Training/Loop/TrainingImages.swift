import Data
import Methods
import Torch

extension RunConfig {
  /// The views from a step on: from images decoded step by step, or kept in memory by `--cache memory`.
  /// - Parameters:
  ///   - dataset: The images.
  ///   - sampler: Their order.
  ///   - device: The device of the training.
  ///   - retries: How often a shard that breaks is started again.
  ///   - first: The first step.
  func viewSource(
    _ dataset: Dataset, _ sampler: EpochSampler, on device: Device, retries: ShardRetries, from first: Int
  ) throws -> ViewPipeline {
    let (epoch, batch) = first.quotientAndRemainder(dividingBy: sampler.batchesPerEpoch)
    let transform = self.transform
    // The device's resampling is bilinear.
    if self.cache == .memory, device != .cpu,
      transform.views.allSatisfy({ $0.interpolation == .bilinear }),
      let cache = try DeviceCache(
        dataset, on: device, limit: RunConfig.deviceCacheLimit, maxBad: self.maxBad)
    {
      return ViewPipeline(
        cache, sampler: sampler, transform: transform, device: device, epoch: epoch, batch: batch)
    }
    let images = self.cache == .memory ? dataset.cached(limit: RunConfig.cacheLimit) : dataset
    let loader = DataLoader(
      images, views: transform.views, sampler: sampler, workers: workerCount, epoch: epoch, batch: batch,
      maxBad: self.maxBad, retries: retries, device: device)
    return ViewPipeline(loader, sampler: sampler, transform: transform, device: device)
  }
}
