import Foundation
import Images
import Testing
import Torch
@testable import Data

@Suite struct ResamplingMatchesPillow {
  let fixtures: AugmentationFixtures

  init() throws { fixtures = try AugmentationFixtures.load() }

  /// Both filter in 8-bit fixed point, across and then down, with weights rounded to different precisions: at most
  /// one level apart.
  @Test func cropsAreWithinOneLevel() throws {
    let cases = fixtures.cases.filter { $0.step.operation == "crop" }
    #expect(cases.count == 11)
    for one in cases {
      let image = try #require(fixtures.images[one.image]).image
      let geometry = try #require(one.step.geometry(image.width, image.height))
      let result = try cropped(image, geometry, size: try #require(one.step.size))
      let difference = Difference(result.pixels, one.expected.image.pixels)
      #expect(difference.largest <= 1, "\(geometry.box): \(difference)")
    }
  }

  @Test func evaluationIsWithinOneLevel() throws {
    let cases = fixtures.cases.filter { $0.step.operation == "evaluation" }
    #expect(cases.count == 5)
    for one in cases {
      let image = try #require(fixtures.images[one.image]).image
      let size = try #require(one.step.size)
      var pixels = [UInt8](repeating: 0, count: size * size * 3)
      let shortSide = try #require(one.step.resize)
      try pixels.withUnsafeMutableBytes { out in
        try image.withPixels {
          try $0.writeCenter(shortSide: shortSide, size: size, to: out, using: ViewScratch())
        }
      }
      let difference = Difference(pixels, one.expected.image.pixels)
      #expect(difference.largest <= 1, "\(image.width) x \(image.height): \(difference)")
    }
  }

  @Test func flipExchangesLeftAndRight() throws {
    let one = try #require(fixtures.cases.first { $0.step.operation == "flip" })
    let image = try #require(fixtures.images[one.image]).image
    let side = image.height
    // The right part of the image mirrored is the left part of the mirrored image.
    let box = PixelRegion(left: image.width - side, top: 0, width: side, height: side)
    let result = try cropped(image, CropBox(box: box, isFlipped: true), size: side)
    for y in 0..<side {
      for x in 0..<side { #expect(result[x, y] == one.expected.image[x, y]) }
    }
  }

  /// Flip and crop may be done in either order, and a crop of the size of the view copies.
  @Test func aCropOfTheSizeIsACopy() throws {
    let image = noise(side: 20, seed: 1)
    let box = PixelRegion(left: 5, top: 3, width: 8, height: 8)
    let result = try cropped(image, CropBox(box: box, isFlipped: false), size: 8)
    for y in 0..<8 {
      for x in 0..<8 { #expect(result[x, y] == image[x + 5, y + 3]) }
    }
  }

  @Test func evaluationLeavesAnImageOfTheSizeAlone() throws {
    let image = noise(side: 28, seed: 2)
    #expect(try image.evaluationView(size: 28) == image)
    #expect([224, 32, 28].map(evaluationShortSide) == [256, 37, 32])
  }

  /// Whole, the resized strip would take 3·64·64·100,000 bytes.
  @Test func aStripDoesNotAskForGigabytes() throws {
    let strip = RGBImage(width: 1, height: 100_000, pixels: [UInt8](repeating: 9, count: 300_000))
    #expect(try strip.evaluationView(size: 64).pixels.allSatisfy { $0 == 9 })
  }
}

@Suite struct RandomCrops {
  private func boxes(_ width: Int, _ height: Int, minScale: Double, count: Int) -> [PixelRegion] {
    (0..<count).map { sample in
      var generator = CounterGenerator(seed: 11, .geometry, 0, sample, 0)
      return PixelRegion.random(inWidth: width, height: height, scale: minScale...1, using: &generator)
    }
  }

  @Test(arguments: [(224, 224), (40, 32), (500, 20), (20, 500), (1, 1), (3, 2)])
  func boxesLieInsideTheImage(_ width: Int, _ height: Int) {
    for box in boxes(width, height, minScale: 0.08, count: 500) {
      #expect(box.width >= 1 && box.height >= 1 && box.top >= 0 && box.left >= 0)
      #expect(box.left + box.width <= width && box.top + box.height <= height)
    }
  }

  /// Sides are rounded, so the bounds hold up to half a pixel a side.
  @Test func areaAndAspectKeepTheirBounds() {
    for box in boxes(224, 224, minScale: 0.2, count: 2000) {
      let (w, h) = (Double(box.width), Double(box.height))
      #expect((w + 0.5) * (h + 0.5) >= 0.2 * 224 * 224)
      #expect((w + 0.5) / (h - 0.5) >= 0.75 && (w - 0.5) / (h + 0.5) <= 4.0 / 3)
    }
  }

  /// torchvision 0.26 over 100,000 draws, from `Fixtures/README.md`; here 20,000 of a fixed seed. The tolerances are
  /// four standard errors (0.0014 for the area, 0.0012 for the aspect, 0.002 for the place).
  @Test(arguments: [
    (224, 224, 0.2, 0.5403, -0.0001, 0.1580), (224, 224, 0.08, 0.4794, 0.0001, 0.1591),
    (40, 32, 0.2, 0.5265, 0.0328, 0.1628), (40, 32, 0.08, 0.4644, 0.0276, 0.1643),
  ])
  func drawsAreDistributedAsTorchvisions(
    _ width: Int, _ height: Int, _ minScale: Double, _ area: Double, _ aspect: Double, _ deviation: Double
  ) {
    let boxes = boxes(width, height, minScale: minScale, count: 20_000)
    let areas = boxes.map { Double($0.width * $0.height) / Double(width * height) }
    let aspects = boxes.map { log(Double($0.width) / Double($0.height)) }
    #expect(abs(mean(areas) - area) < 0.006)
    #expect(abs(mean(aspects) - aspect) < 0.005)
    #expect(abs(mean(aspects.map { ($0 - aspect) * ($0 - aspect) }).squareRoot() - deviation) < 0.004)
    let places = boxes.filter { $0.height < height }.map { Double($0.top) / Double(height - $0.height) }
    #expect(abs(mean(places) - 0.5) < 0.01)
  }

  /// A strip has no box of an allowed aspect and a fifth of the area: the largest centred one is taken.
  @Test func stripsFallBackToTheCenter() {
    #expect(
      boxes(500, 20, minScale: 0.2, count: 50).allSatisfy {
        $0 == PixelRegion(left: 236, top: 0, width: 27, height: 20)
      })
    #expect(
      boxes(20, 500, minScale: 0.2, count: 50).allSatisfy {
        $0 == PixelRegion(left: 0, top: 236, width: 20, height: 27)
      })
  }

  private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
}
