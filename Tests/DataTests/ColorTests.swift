import Foundation
import Images
import Testing
import Torch
@testable import Data

/// Levels of N pictures of one size after their operations, as training makes them on a CPU.
func colored(_ images: [RGBImage], _ parameters: [ColorParameters]) -> [[UInt8]] {
  let shape = ViewShape(height: images[0].height, width: images[0].width)
  // (x / 255 − 0) / (1 / 255) is x.
  let plain = Normalization(mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255])
  let augment = ColorAugmenter(shape, normalization: plain, device: .cpu)
  let views = images.flatMap(\.pixels).withUnsafeBytes { augment($0, parameters) }
  let bytes: [UInt8] = views.permuted([0, 2, 3, 1]).to(.uint8).array()
  return images.indices.map { Array(bytes[$0 * shape.bytes..<($0 + 1) * shape.bytes]) }
}

@Suite struct ColorOperationsMatchPillow {
  let fixtures: AugmentationFixtures

  init() throws { fixtures = try AugmentationFixtures.load() }

  private func cases(_ operation: String) -> [AugmentationFixtures.Case] {
    fixtures.cases.filter { $0.step.operation == operation }
  }

  private func differences(_ operation: String) throws -> [Difference] {
    try cases(operation).filter { $0.step.operation != "blur" || $0.image == "square" }.map { one in
      let image = try #require(fixtures.images[one.image]).image
      let operation = try #require(one.step.color)
      return Difference(colored([image], [ColorParameters([operation])])[0], one.expected.image.pixels)
    }
  }

  @Test(arguments: [
    ("brightness", 3), ("contrast", 3), ("saturation", 3), ("grayscale", 1), ("solarize", 1),
  ])
  func levelsAreEqual(_ operation: String, _ count: Int) throws {
    let differences = try differences(operation)
    #expect(differences.count == count)
    for difference in differences { #expect(difference.largest == 0, "\(operation): \(difference)") }
  }

  /// 0.3 % of the hues are whole numbers that Pillow's rounding lowers by one, which moves a channel by up to 6 of
  /// 255 levels. The bar is a mean of 1.
  @Test func hueIsNearlyEqual() throws {
    let differences = try differences("hue")
    #expect(differences.count == 5)
    for difference in differences {
      #expect(difference.mean < 0.02 && difference.largest <= 6, "\(difference)")
    }
  }

  /// Pillow rounds after each of six box passes, we once: each rounding adds at most half a level, three
  /// levels in all. The bar is a mean of 2.
  @Test func blurIsNearlyEqual() throws {
    let differences = try differences("blur")
    #expect(differences.count == 4)
    for difference in differences {
      #expect(difference.mean < 0.7 && difference.largest <= 3, "\(difference)")
    }
  }

  /// Orders of jitter: the operations that come after a hue off by one carry it on.
  @Test func jitterIsNearlyEqualInEveryOrder() throws {
    let chains = cases("chain").filter { ($0.step.steps ?? []).allSatisfy { $0.color != nil } }
    #expect(chains.count == 8)
    let images = try chains.map { try #require(fixtures.images[$0.image]).image }
    let parameters = chains.map { ColorParameters(($0.step.steps ?? []).map(\.color)) }
    // All eight at once: every sample keeps its own order.
    for (pixels, one) in zip(colored(images, parameters), chains) {
      let difference = Difference(pixels, one.expected.image.pixels)
      #expect(difference.mean < 0.05, "\((one.step.steps ?? []).map(\.operation)): \(difference)")
    }
  }

  /// Crop, colour, flip as the recipes order them. A resampled level may be off by one, and contrast, saturation
  /// and brightness enlarge it by up to 1.4 each. The bar is a mean of 1.
  @Test func wholeRecipesAreNearlyEqual() throws {
    let chains = cases("chain").filter { $0.step.steps?.first?.operation == "crop" }
    #expect(chains.count == 6)
    for one in chains {
      let steps = try #require(one.step.steps)
      let image = try #require(fixtures.images[one.image]).image
      let size = try #require(steps[0].size)
      var geometry = try #require(steps[0].geometry(image.width, image.height))
      geometry.isFlipped = steps.contains { $0.operation == "flip" }
      let colors = steps.compactMap(\.color)
      #expect(colors.count == steps.count - (geometry.isFlipped ? 2 : 1))
      let view = colored([try cropped(image, geometry, size: size)], [ColorParameters(colors)])[0]
      let difference = Difference(view, one.expected.image.pixels)
      #expect(difference.mean < 0.7, "\(steps.map(\.operation)): \(difference)")
    }
  }

  @Test func normalizationIsEqual() throws {
    let one = fixtures.normalize
    #expect(one.image.width == one.image.height)
    let augment = ColorAugmenter(
      ViewShape(side: one.image.width), normalization: Normalization(mean: one.mean, std: one.std),
      device: .cpu)
    let result = one.image.image.withUnsafeBytes { augment($0) }
    #expect(result.shape == [1, 3, one.image.height, one.image.width])
    #expect(result.isContiguous(.channelsLast))
    let values: [Float] = result.contiguous().array()
    #expect(values.count == one.expectedChw.count)
    // Three roundings to 24 bits of numbers below 4, and seven digits in the file.
    for (value, expected) in zip(values, one.expectedChw) { #expect(abs(value - expected) < 1e-6) }
  }
}

@Suite struct BlurMatrices {
  /// Weights of a blur sum to one, and by symmetry a row read backwards is the opposite row.
  @Test(arguments: [(24, 0.1), (24, 2.0), (5, 2.0), (224, 2.0), (57, 1.3)])
  func rowsSumToOneAndAreSymmetric(_ size: Int, _ sigma: Double) {
    let matrix = BlurMatrix(size: size, sigma: sigma)
    let dense = matrix.dense(matrix.values(sigma: sigma))
    #expect(dense.count == size)
    for (row, weights) in dense.enumerated() {
      #expect(abs(weights.reduce(0, +) - 1) < 1e-6)
      for (a, b) in zip(weights, dense[size - 1 - row].reversed()) { #expect(abs(a - b) < 1e-7) }
    }
  }

  /// Far from the edges the variance of the weights is sigma squared: what the extended box is made for.
  @Test(arguments: [0.1, 0.5, 1, 1.7, 2])
  func interiorRowsHaveTheVariance(_ sigma: Double) {
    let matrix = BlurMatrix(size: 65, sigma: 2)
    let weights = matrix.dense(matrix.values(sigma: sigma))[32]
    let variance = weights.enumerated().reduce(0.0) {
      $0 + Double($1.element) * pow(Double($1.offset - 32), 2)
    }
    #expect(abs(variance - sigma * sigma) < 1e-5)
  }

  /// Pictures of different sigmas in one batch come out as they do alone.
  @Test func batchesEqualSingles() {
    let images = (0..<3).map { noise(side: 60, seed: $0) }
    let parameters = [0.4, 1.9, 1.1].map { ColorParameters([.blur(sigma: $0)]) }
    let together = colored(images, parameters)
    for index in images.indices {
      #expect(together[index] == colored([images[index]], [parameters[index]])[0])
    }
  }

  /// Stripes are blurred across themselves only, and alike in a square and in a picture that is not one.
  @Test(arguments: [(40, 70), (70, 40), (5, 64)]) func aPictureNeedNotBeSquare(_ height: Int, _ width: Int) {
    let sigmas = [0.4, 1.9].map { ColorParameters([.blur(sigma: $0)]) }
    func stripes(_ height: Int, _ width: Int, _ level: (Int, Int) -> Int) -> RGBImage {
      let levels = (0..<height * width).map { UInt8(level($0 / width, $0 % width) * 7919 % 251) }
      return RGBImage(width: width, height: height, pixels: levels.flatMap { [$0, $0, $0] })
    }
    func blurred(_ height: Int, _ width: Int, _ level: (Int, Int) -> Int) -> [RGBImage] {
      let picture = stripes(height, width, level)
      return colored([picture, picture], sigmas).map { RGBImage(width: width, height: height, pixels: $0) }
    }
    let (byRow, byColumn) = (blurred(height, width) { y, _ in y }, blurred(height, width) { _, x in x })
    let (tall, wide) = (blurred(height, height) { y, _ in y }, blurred(width, width) { _, x in x })
    for sample in 0..<2 {
      // Sums of the weights differ in the last bit with the length of a row, which can turn a tie.
      for y in 0..<height {
        #expect(abs(Int(byRow[sample][width / 2, y].red) - Int(tall[sample][0, y].red)) <= 1)
      }
      for x in 0..<width {
        #expect(abs(Int(byColumn[sample][x, height / 2].red) - Int(wide[sample][x, 0].red)) <= 1)
      }
    }
  }
}

extension BlurMatrix {
  fileprivate func dense(_ values: [Float]) -> [[Float]] {
    var rows: [[Float]] = []
    for block in blocks {
      for row in 0..<block.rows.count {
        var weights = [Float](repeating: 0, count: size)
        for column in 0..<block.columns.count {
          weights[block.columns.lowerBound + column] =
            values[block.start + row * block.columns.count + column]
        }
        rows.append(weights)
      }
    }
    return rows
  }
}

/// Levels of a generator that is not the one under test.
func noise(side: Int, seed: Int) -> RGBImage {
  var state = UInt32(truncatingIfNeeded: seed &* 7919 &+ 1)
  let pixels = (0..<side * side * 3).map { _ -> UInt8 in
    state = state &* 1_664_525 &+ 1_013_904_223
    return UInt8(state >> 24)
  }
  return RGBImage(width: side, height: side, pixels: pixels)
}

func cropped(_ image: RGBImage, _ geometry: CropBox, size: Int) throws -> RGBImage {
  var pixels = [UInt8](repeating: 0, count: size * size * 3)
  try pixels.withUnsafeMutableBytes { out in
    try image.withPixels { try $0.write(geometry, ViewShape(side: size), to: out) }
  }
  return RGBImage(width: size, height: size, pixels: pixels)
}

@Suite struct NormalizedPictures {
  @Test func inputsAreShownInTheirOwnColours() {
    let normalization = AugmentationPreset.cifar.normalization
    let levels: [UInt8] = [0, 255, 17, 128, 200, 3, 90, 91, 92, 254, 1, 127]
    let image = RGBImage(width: 2, height: 2, pixels: levels)
    let prepare = ColorAugmenter(ViewShape(side: 2), normalization: normalization, device: .cpu)
    let seen = image.withUnsafeBytes { prepare($0) }
    #expect(normalization.pictures(of: seen) == [image])
    #expect(normalization.pictures(of: seen * .nan) == nil)
  }
}
