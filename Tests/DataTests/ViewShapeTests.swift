import Images
import Testing
import Torch
@testable import Data

/// Batches of any number of views, each of its own size.
@Suite struct ViewShapes {
  private let sampler = EpochSampler(count: 12, batchSize: 5, seed: 4)
  private let two = AugmentationPreset.v2.transform(imageSize: 16)

  /// One image of every aspect ratio, one unreadable.
  private let dataset = made(12) { index in
    if index == 3 { throw ImageError.empty }
    let side = noise(side: 40, seed: index)
    return RGBImage(width: 40 - index, height: 20, pixels: Array(side.pixels.prefix((40 - index) * 60)))
  }

  /// The two views, a small square one and one that is no square.
  private var four: MultiViewTransform {
    var small = two.views[0]
    small.shape = ViewShape(side: 8)
    small.steps[0] = .crop(scale: 0.05...0.2)
    var wide = two.views[1]
    wide.shape = ViewShape(height: 9, width: 21)
    return MultiViewTransform(two.views + [small, wide])
  }

  private func loader(_ transform: MultiViewTransform, workers: Int = 3) -> DataLoader {
    DataLoader(
      dataset, views: transform.views, sampler: sampler, workers: workers, endEpoch: 2,
      maxBad: Fraction(value: 1))
  }

  @Test func aBatchHoldsEachViewInItsOwnShape() throws {
    let batch = try #require(try loader(four).next())
    #expect(batch.shapes == four.views.map(\.shape))
    #expect(batch.views.map(\.count) == [5 * 16 * 16 * 3, 5 * 16 * 16 * 3, 5 * 8 * 8 * 3, 5 * 9 * 21 * 3])
    for (row, sample) in batch.indices.enumerated() {
      let image = try dataset.image(sample)
      for (view, transform) in four.views.enumerated() {
        let geometry = transform.geometry(
          seed: 4, epoch: 0, sample: batch.drawIndices[row], view: view, width: image.width,
          height: image.height)
        var expected = [UInt8](repeating: 0, count: transform.shape.bytes)
        try expected.withUnsafeMutableBytes { out in
          try image.withPixels { try $0.write(geometry, transform.shape, to: out) }
        }
        let bytes = batch.views[view][row * expected.count..<(row + 1) * expected.count]
        #expect([UInt8](bytes) == expected, "row \(row), view \(view)")
      }
    }
  }

  @Test func furtherViewsLeaveTheFirstAsTheyAre() throws {
    let (plain, more) = (try contents(loader(two)), try contents(loader(four, workers: 1)))
    #expect(plain.count == 4 && more.count == 4)
    for (a, b) in zip(plain, more) {
      #expect(a.indices == b.indices)
      #expect(a.views == Array(b.views[..<2]))
    }
  }

  @Test func tensorsHaveTheViewsShapes() throws {
    let pipeline = ViewPipeline(
      dataset, four, batchSize: 5, epochs: 2, seed: 4, workers: 2, maxBad: Fraction(value: 1))
    let plain = ViewPipeline(
      dataset, two, batchSize: 5, epochs: 2, seed: 4, workers: 2, maxBad: Fraction(value: 1))
    var batches = 0
    while let batch = try pipeline.next() {
      let common = try #require(try plain.next())
      #expect(batch.views.map(\.shape) == [[5, 3, 16, 16], [5, 3, 16, 16], [5, 3, 8, 8], [5, 3, 9, 21]])
      #expect(batch.samples == common.samples)
      for view in 0..<2 {
        #expect(batch.views[view].array(of: Float.self) == common.views[view].array(of: Float.self))
      }
      batches += 1
    }
    #expect(batches == 2 * pipeline.batchesPerEpoch)
    #expect(pipeline.badFiles.map(\.sample) == [3])
  }

  @Test func oneViewIsEnough() throws {
    let pipeline = ViewPipeline(
      dataset, MultiViewTransform([two.views[0]]), batchSize: 4, epochs: 1, workers: 2,
      maxBad: Fraction(value: 1))
    #expect(try pipeline.next()?.views.map(\.shape) == [[4, 3, 16, 16]])
  }

  /// Crops on the device have the bytes of a loader's.
  @Test func imagesOnTheDeviceGiveTheSameShapesAndLevels() throws {
    let square = made(12) { noise(side: 30, seed: $0) }
    let cache = try #require(try DeviceCache(square, on: .cpu, limit: 1 << 20))
    let kept = ViewPipeline(cache, sampler: sampler, transform: four, device: .cpu, epoch: 0, batch: 0)
    let loaded = ViewPipeline(square, four, batchSize: 5, seed: 4, workers: 2)
    for _ in 0..<3 {
      let (a, b) = (try #require(try kept.next()), try #require(try loaded.next()))
      for view in four.views.indices {
        #expect(a.views[view].shape == b.views[view].shape)
        #expect(a.views[view].array(of: Float.self) == b.views[view].array(of: Float.self))
      }
    }
  }
}

@Suite struct EvaluationBatches {
  @Test func everyImageComesOnceWithItsName() throws {
    let folder = try TemporaryFolder()
    for (index, name) in ["a/1.png", "a/2.png", "b/3.png"].enumerated() {
      try folder.image(name, side: 20, seed: index)
    }
    try folder.write("b/bad.png")
    let images = EvaluationImages(
      try Dataset.open(folder.path), imageSize: 8, normalization: .imageNet, batchSize: 2, workers: 2,
      maxBad: Fraction(value: 1))
    var names: [String] = []
    while let batch = try images.next() {
      #expect(batch.images.shape == [batch.samples.count, 3, 8, 8])
      for (row, sample) in batch.samples.enumerated() {
        let view = try images.dataset.image(sample).evaluationView(size: 8)
        let prepare = ColorAugmenter(ViewShape(side: 8), normalization: .imageNet, device: .cpu)
        let expected = view.withUnsafeBytes { prepare($0) }
        #expect(batch.images.narrowed(row..<row + 1).array(of: Float.self) == expected.array(of: Float.self))
        #expect(batch.labels[row] == (batch.names[row].hasPrefix("a/") ? 0 : 1))
      }
      names += batch.names
    }
    #expect(names == ["a/1.png", "a/2.png", "b/3.png"])
    #expect(images.badFiles.map(\.name) == ["b/bad.png"])
  }
}
