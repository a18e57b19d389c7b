import Data
import Foundation
import Images
import Testing
import Torch

@Suite struct SegmentationTransformTests {
  /// Oracle: Pillow's BILINEAR and NEAREST; see make_segmentation.py. Labels are equal. The picture's weights have 16 bits
  /// (LibTorch's) in place of Pillow's 22, so that a level can differ by one.
  @Test func cropsOfAScaledPictureAreThoseOfPillow() throws {
    let fixtures = try SegmentationFixtures.read()
    let source = fixtures.picture
    let picture = RGBImage(width: source.width, height: source.height, pixels: Array(source.image))
    let labels = LabelMap(height: source.height, width: source.width, labels: Array(source.labels))
    #expect(fixtures.crops.count == 8)
    for test in fixtures.crops {
      let transform = SegmentationTransform(cropSize: test.size)
      let geometry = SegmentationTransform.Geometry(
        height: test.height, width: test.width, top: test.top, left: test.left, isFlipped: test.flip)
      var image = [UInt8](repeating: 1, count: test.size * test.size * 3)
      var classes = [UInt8](repeating: 1, count: test.size * test.size)
      try image.withUnsafeMutableBytes { image in
        try classes.withUnsafeMutableBytes { classes in
          try picture.withPixels {
            try transform.write(geometry, of: $0, labels, image: image, classes: classes)
          }
        }
      }
      #expect(classes == Array(test.labels), "\(test.height) × \(test.width)")
      let differences = zip(image, test.image).map { abs(Int($0) - Int($1)) }
      #expect(differences.count == image.count && differences.max() ?? 9 <= 1)
      #expect(differences.filter { $0 > 0 }.count <= image.count / 50)
    }
  }

  @Test func theFillIsTheMeanColour() {
    #expect(SegmentationTransform(cropSize: 8).fill == SIMD3(124, 116, 104))
    #expect(SegmentationTransform(cropSize: 8, mean: [0, 255, 12.5]).fill == SIMD3(0, 255, 13))
  }

  /// The ratio is uniform in 0.5…2 and one for both sides; crops begin anywhere in the picture, each place as likely.
  @Test func drawsAreThoseOfThePaper() {
    let transform = SegmentationTransform(cropSize: 100)
    let count = 20_000
    var (scales, tops, flips, largest, outside) = (0.0, 0.0, 0, 0, 0)
    for image in 0..<count {
      var generator = CounterGenerator(seed: 3, .geometry, 0, image)
      let geometry = transform.draw(height: 200, width: 400, using: &generator)
      let isInside =
        geometry.top <= geometry.height - 100 && geometry.left <= geometry.width - 100
        && (100...400).contains(geometry.height) && abs(geometry.width - 2 * geometry.height) <= 1
      outside += isInside ? 0 : 1
      scales += Double(geometry.height) / 200
      if geometry.height > 100 { tops += Double(geometry.top) / Double(geometry.height - 100) }
      flips += geometry.isFlipped ? 1 : 0
      largest = max(largest, geometry.height)
    }
    #expect(outside == 0)
    // Means within five standard errors: of a uniform number over 1.5 and over 1, and of a coin.
    let error = 5 / Double(count).squareRoot()
    #expect(abs(scales / Double(count) - 1.25) < 1.5 / 12.0.squareRoot() * error + 0.001)
    #expect(abs(tops / Double(count) - 0.5) < 1 / 12.0.squareRoot() * error + 0.005)
    #expect(abs(Double(flips) / Double(count) - 0.5) < 0.5 * error)
    #expect(largest >= 399)
  }

  /// A picture smaller than the crop begins at its corner.
  @Test func aSmallPictureIsShownWhole() {
    let transform = SegmentationTransform(cropSize: 1000)
    for image in 0..<50 {
      var generator = CounterGenerator(seed: 3, .geometry, 1, image)
      let geometry = transform.draw(height: 30, width: 20, using: &generator)
      #expect(geometry.top == 0 && geometry.left == 0)
      #expect((15...60).contains(geometry.height) && (10...40).contains(geometry.width))
    }
  }
}
