import Foundation
import Images
@testable import Data

/// `Fixtures/augmentations.json`: what torchvision makes of Pillow images at fixed parameters.
struct AugmentationFixtures: Decodable {
  struct Picture: Decodable {
    var width: Int
    var height: Int
    var rgb: Data

    var image: RGBImage { RGBImage(width: width, height: height, pixels: [UInt8](rgb)) }
  }

  struct Step: Decodable {
    var operation: String
    var box: [Int]?
    var size: Int?
    var factor: Double?
    var sigma: Double?
    var resize: Int?
    var steps: [Step]?

    /// The box and mirroring of a geometric step, for an image of `width` × `height`.
    func geometry(_ width: Int, _ height: Int) -> CropBox? {
      switch operation {
      case "crop":
        guard let box, box.count == 4 else { return nil }
        return CropBox(
          box: PixelRegion(left: box[1], top: box[0], width: box[3], height: box[2]), isFlipped: false)
      case "flip":
        return CropBox(box: PixelRegion(left: 0, top: 0, width: width, height: height), isFlipped: true)
      default: return nil
      }
    }

    var color: ColorOperation? {
      switch operation {
      case "brightness": factor.map { .brightness($0) }
      case "contrast": factor.map { .contrast($0) }
      case "saturation": factor.map { .saturation($0) }
      case "hue": factor.map { .hue($0) }
      case "grayscale": .grayscale
      case "blur": sigma.map { .blur(sigma: $0) }
      case "solarize": .solarize
      default: nil
      }
    }
  }

  struct Case: Decodable {
    var image: String
    var step: Step
    var expected: Picture

    private enum Key: String, CodingKey { case image, expected }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      image = try container.decode(String.self, forKey: .image)
      expected = try container.decode(Picture.self, forKey: .expected)
      step = try Step(from: decoder)
    }
  }

  struct Normalize: Decodable {
    var mean: [Double]
    var std: [Double]
    var image: Picture
    var expectedChw: [Float]

    private enum CodingKeys: String, CodingKey {
      case mean, std, image
      case expectedChw = "expected_chw"
    }
  }

  var images: [String: Picture]
  var normalize: Normalize
  var cases: [Case]

  static func load() throws -> AugmentationFixtures {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Fixtures")
    let data = try Data(contentsOf: folder.appendingPathComponent("augmentations.json"))
    return try JSONDecoder().decode(AugmentationFixtures.self, from: data)
  }
}

/// How far two pictures are apart, in levels.
struct Difference: CustomStringConvertible {
  var mean: Double
  var largest: Int

  init(_ a: [UInt8], _ b: [UInt8]) {
    precondition(a.count == b.count, "\(a.count) bytes beside \(b.count)")
    let differences = zip(a, b).map { abs(Int($0) - Int($1)) }
    mean = Double(differences.reduce(0, +)) / Double(max(1, differences.count))
    largest = differences.max() ?? 0
  }

  var description: String { "mean \(mean), largest \(largest)" }
}

/// A view of a published augmentation.
func view(_ preset: AugmentationPreset, _ imageSize: Int, _ number: Int = 0) -> Transform {
  preset.transform(imageSize: imageSize).views[number]
}
