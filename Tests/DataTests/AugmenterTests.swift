import Images
import Testing
import Torch
@testable import Data

@Suite struct Augmenters {
  private func augmented(_ recipe: Transform, _ images: [RGBImage], _ samples: [Int]) -> [[Float]] {
    let augment = ColorAugmenter(recipe.shape, normalization: recipe.normalization, device: .cpu)
    let parameters = samples.map { recipe.colorParameters(seed: 4, epoch: 1, sample: $0, view: 0) }
    let result = images.flatMap(\.pixels).withUnsafeBytes { augment($0, parameters) }
    #expect(result.shape == [images.count, 3, recipe.shape.height, recipe.shape.height])
    #expect(result.dtype == .float32)
    #expect(result.isContiguous(.channelsLast))
    let values: [Float] = result.array()
    let each = values.count / images.count
    return images.indices.map { Array(values[$0 * each..<($0 + 1) * each]) }
  }

  /// More samples than go through together, in as many orders as there are: each comes out as it does alone.
  @Test func aSampleDoesNotDependOnItsBatch() {
    let recipe = view(.cifar, 32)
    let images = (0..<150).map { noise(side: 32, seed: $0) }
    let together = augmented(recipe, images, Array(0..<150))
    #expect(together.count == 150)
    for sample in 0..<150 {
      #expect(together[sample] == augmented(recipe, [images[sample]], [sample])[0], "sample \(sample)")
    }
  }

  /// A picture in one go, as on the CPU, and a batch operation by operation, as on other devices. A blur's sums may be
  /// taken in another order there, which can turn a tie between two levels.
  @Test(arguments: [AugmentationPreset.v1, .v2, .v3, .cifar, .demo])
  func aBatchHasTheSameViewsOnEveryDevice(_ preset: AugmentationPreset) {
    for (index, var recipe) in preset.transform(imageSize: 40).views.enumerated() {
      recipe.shape = ViewShape(height: 40, width: 52 - 12 * index)
      let augment = ColorAugmenter(recipe.shape, normalization: recipe.normalization, device: .cpu)
      let parameters = (0..<40).map { recipe.colorParameters(seed: 6, epoch: 0, sample: $0, view: index) }
      let levels = (0..<40).flatMap { noise(side: 52, seed: $0).pixels.prefix(recipe.shape.bytes) }
      let pixels = Tensor(levels, shape: [40, recipe.shape.height, recipe.shape.width, 3])
      let (one, all) = (augment(pixels, parameters), augment.inBatches(pixels, parameters))
      #expect(one.isContiguous(.channelsLast) && all.isContiguous(.channelsLast))
      let (a, b): ([Float], [Float]) = (one.array(), all.array())
      let differing = zip(a, b).filter { $0 != $1 }
      let isBlurred = parameters.contains { $0.operations.contains { $0?.kind == .blur } }
      #expect(differing.count <= (isBlurred ? a.count / 10_000 : 0))
      // A level of 255, divided by a deviation of at least 0.2.
      #expect(differing.allSatisfy { abs($0 - $1) < 1 / 255.0 / 0.19 })
    }
  }

  @Test func withoutOperationsOnlyTheLevelsAreScaled() {
    let images = [noise(side: 6, seed: 1), noise(side: 6, seed: 2)]
    let augment = ColorAugmenter(ViewShape(side: 6), normalization: .cifar, device: .cpu)
    let bytes = images.flatMap(\.pixels)
    let plain: [Float] = bytes.withUnsafeBytes { augment($0) }.permuted([0, 2, 3, 1]).array()
    let empty: [Float] = bytes.withUnsafeBytes { augment($0, [ColorParameters([]), ColorParameters([nil])]) }
      .permuted([0, 2, 3, 1]).array()
    #expect(plain.count == bytes.count)
    #expect(plain == empty)
    for (index, value) in plain.enumerated() {
      let (mean, std) = (Normalization.cifar.mean[index % 3], Normalization.cifar.std[index % 3])
      // 24 bits of numbers up to 3.
      #expect(abs(Double(value) - (Double(bytes[index]) / 255 - mean) / std) < 1e-6)
    }
  }

  @Test func aBatchGivesAQueryAndAKey() throws {
    let dataset = made(12) { noise(side: 20, seed: $0) }
    let recipe = AugmentationPreset.v2.transform(imageSize: 16)
    let loader = DataLoader(
      dataset, views: recipe.views, sampler: EpochSampler(count: 12, batchSize: 6, seed: 4), workers: 2,
      epoch: 1)
    let batch = try #require(try loader.next())
    let views = Augmenter(views: recipe.views, seed: 4, device: .cpu)(batch)
    try #require(views.count == 2)
    let (query, key) = (views[0], views[1])
    #expect(query.shape == [6, 3, 16, 16])
    #expect(key.shape == [6, 3, 16, 16])
    let values: [Float] = query.array()
    #expect(values != key.array(of: Float.self))
    // The rows' own draws: sample, not row, is what they go by.
    for (row, sample) in batch.indices.enumerated() {
      let pixels = [UInt8](batch.views[0][(row * 768)..<((row + 1) * 768)])
      let alone = augmented(recipe.views[0], [RGBImage(width: 16, height: 16, pixels: pixels)], [sample])[0]
      #expect(alone == Array(values[(row * 768)..<((row + 1) * 768)]))
    }
  }

  @Test func nothingIsLeftBehind() {
    let augment = ColorAugmenter(ViewShape(side: 8), normalization: .imageNet, device: .cpu)
    let bytes = (0..<5).flatMap { noise(side: 8, seed: $0).pixels }
    let parameters = (0..<5).map {
      view(.v2, 8).colorParameters(seed: 1, epoch: 0, sample: $0, view: 0)
    }
    func levels() -> [Float] { bytes.withUnsafeBytes { augment($0, parameters) }.array() }
    #expect(levels() == levels())
    #expect(!Tensor.ones([1]).requiresGrad)
  }
}
