import Foundation
import Images
import Testing
import Torch
@testable import Data

@Suite struct EvaluationViews {
  private struct Case: Decodable {
    var image: String
    var size: Int
    var resize: Resizing
    var interpolation: Interpolation
    var rgb: Data
  }

  private let images: [String: AugmentationFixtures.Picture]
  private let cases: [Case]

  init() throws {
    images = try AugmentationFixtures.load().images
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/evaluation.json")
    cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: url))
  }

  /// Both filter in 8-bit fixed point with weights rounded to different precisions: at most one level apart.
  @Test func everyResizingIsTorchvisions() throws {
    #expect(cases.count == 8)
    for one in cases {
      let image = try #require(images[one.image]).image
      let view = EvaluationView(size: one.size, resizing: one.resize, interpolation: one.interpolation)
      let difference = Difference(try image.evaluationView(view).pixels, [UInt8](one.rgb))
      #expect(difference.largest <= 1, "\(one.image), \(view): \(difference)")
    }
  }

  /// Whole, the strip would first be 1×100,000 pixels resized to 64 across.
  @Test func aSquashedStripShowsItsMiddle() throws {
    let strip = RGBImage(width: 1, height: 100_000, pixels: [UInt8](repeating: 9, count: 300_000))
    let view = EvaluationView(size: 64, resizing: .squash, interpolation: .bicubic)
    #expect(try strip.evaluationView(view).pixels.allSatisfy { $0 == 9 })
  }

  @Test func aDataSetIsSeenAsItsView() throws {
    let folder = TemporaryFolder()
    let image = try #require(images["landscape"]).image
    try folder.write("a.png", try image.pngData())
    let view = EvaluationView(size: 16, resizing: .squash, interpolation: .bicubic)
    let identity = Normalization(mean: [0, 0, 0], std: [1, 1, 1])
    let images = EvaluationImages(
      try Dataset.open(folder.path, allowsOneImage: true), imageSize: 16, normalization: identity,
      resizing: .squash, interpolation: .bicubic)
    let batch = try #require(try images.next())
    let levels = (batch.images.permuted([0, 2, 3, 1]) * 255).rounded().array(of: Float.self).map { UInt8($0) }
    #expect(levels == (try image.evaluationView(view).pixels))
  }

  @Test func resizingsAreWrittenAndReadAsText() throws {
    let texts = [
      "256": Resizing.shortSide(256), "0.9": .cropShare(0.9), "1": .cropShare(1), "squash": .squash,
    ]
    for (text, resizing) in texts { #expect(Resizing(text) == resizing, "\(text)") }
    for text in ["", "0", "-3", "1.5", "nan", "inf", "stretch", "256px"] {
      #expect(Resizing(text) == nil, "\(text)")
    }
    for resizing in texts.values {
      let data = try JSONEncoder().encode(resizing)
      #expect(try JSONDecoder().decode(Resizing.self, from: data) == resizing)
    }
    // timm: math.floor(224 / 0.9) and math.floor(224 / 0.875)
    #expect(Resizing.cropShare(0.9).shortSide(of: 224) == 248)
    #expect(Resizing.cropShare(0.875).shortSide(of: 224) == 256)
    #expect(Resizing.cropShare(1e-300).shortSide(of: 224) == .max)
  }
}
