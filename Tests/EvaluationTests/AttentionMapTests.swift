import Data
import Foundation
import Images
import Models
import TestSupport
import Testing
import Torch
@testable import Evaluation

@Suite struct AttentionMapTests {
  private static let vit = EncoderSpec(arch: .vitMini, imageSize: 8, normalization: .cifar)

  private func maps(_ network: ImageEncoder, _ spec: EncoderSpec) throws -> AttentionMaps {
    let set = try EvaluationData(
      makeColourFolder(imagesPerClass: 2), split: .train, input: EvaluationInput(spec, workers: 1))
    return try set.attention(of: network, to: [0, 3, 5], on: .cpu)
  }

  @Test func ofAResNetTheyAreTheNormsOfTheLastMap() throws {
    let network = try makeTrainedEncoder().network
    let maps = try maps(network, .small)
    #expect(maps.kind == .featureNorm && maps.heads == nil && !maps.poolsPatches)
    #expect(maps.maps.shape == [3, 4, 4])
    #expect(maps.pictures.map(\.width) == [16, 16, 16])
    let images = EvaluationInput.small.tensor(of: maps.pictures, on: .cpu)
    let features = withNoGrad { network.backbone.featureMaps(images).last!.contiguous() }  // 3×64×4×4
    #expect(features.shape == [3, 64, 4, 4])
    let (values, norms): ([Double], [Double]) = (features.array(), maps.maps.array())
    for image in 0..<3 {
      for cell in 0..<16 {
        let squares = (0..<64).map { channel in pow(values[(image * 64 + channel) * 16 + cell], 2) }
        let norm = squares.reduce(0, +).squareRoot()
        // A sum of 64 squares in float32.
        #expect(abs(norms[image * 16 + cell] - norm) <= 1e-5 * norm)
      }
    }
  }

  /// Three channels of 2, 3 and 6 have the norm 7.
  @Test func theNormIsOverTheChannels() throws {
    let network = EncoderSpec.small.makeEncoder(using: Generator(seed: 1))
    network.train(false)
    let weights: [Float] = [2, 3, 6] + [Float](repeating: 0, count: 61)
    withNoGrad {
      // The last block adds the shift of its second normalisation to a shortcut of 0; ReLU leaves these.
      for entry in network.state where entry.name.hasPrefix("layer3.") && entry.kind == .parameter {
        entry.tensor.fill(0)
        if entry.name == "layer3.0.bn2.bias" { entry.tensor.copy(from: Tensor(weights)) }
      }
    }
    let maps = try maps(network, .small)
    #expect(maps.maps.array(of: Float.self).allSatisfy { abs($0 - 7) < 1e-5 })  // float32
  }

  @Test func ofATransformerTheyAreTheClassTokensAttention() throws {
    let network = Self.vit.makeEncoder(using: Generator(seed: 1))
    let maps = try maps(network, Self.vit)
    #expect(maps.kind == .classToken && !maps.poolsPatches)
    #expect(maps.maps.shape == [3, 2, 2] && maps.heads?.shape == [3, 12, 2, 2])
    let images = EvaluationInput(Self.vit, workers: 1).tensor(of: maps.pictures, on: .cpu)
    let transformer = try #require(network.backbone as? VisionTransformer)
    let attention: [Double] = withNoGrad { transformer.classAttention(images) }.array()  // 3×12×5
    let (heads, means): ([Double], [Double]) = (try #require(maps.heads).array(), maps.maps.array())
    for image in 0..<3 {
      for patch in 0..<4 {
        let shares = (0..<12).map { 5 * attention[(image * 12 + $0) * 5 + 1 + patch] }
        for head in 0..<12 {
          // Float32 numbers near 1, multiplied once.
          #expect(abs(heads[(image * 12 + head) * 4 + patch] - shares[head]) < 1e-5)
        }
        #expect(abs(means[image * 4 + patch] - shares.reduce(0, +) / 12) < 1e-5)
      }
    }
  }

  @Test func patchesThatAreTheFeaturesAreSaid() throws {
    var spec = Self.vit
    spec.pooling = .average
    #expect(try maps(spec.makeEncoder(using: Generator(seed: 1)), spec).poolsPatches)
  }

  @Test func aNetworkThatDivergedHasNone() throws {
    let network = try makeTrainedEncoder().network
    withNoGrad { network.backbone.parameters[0].fill(.nan) }
    let error = #expect(throws: EvaluationError.self) { try maps(network, .small) }
    #expect(error == .notFinite("images"))
  }
}

@Suite struct HeatScales {
  private func levels(_ values: [Float], _ scale: HeatScale) -> [Double] {
    withNoGrad { scale.colors(of: Tensor(values)) }.array()
  }

  @Test func endsAndQuartersHaveTheirColours() {
    let scale = HeatScale(2...6)
    let quarters = levels([2, 3, 4, 5, 6], scale)
    // Whole numbers up to 255 in float32.
    #expect(zip(quarters, HeatScale.colors.flatMap(\.self)).allSatisfy { abs($0 - $1) < 1e-3 })
    #expect(levels([1, 2], scale).prefix(3) == levels([2], scale)[...])
    #expect(levels([9], scale) == levels([6], scale))
    // Halfway from the first colour to the second.
    #expect(zip(levels([2.5], scale), [43.5, 8, 57]).allSatisfy { abs($0 - $1) < 1e-3 })
  }

  /// Then it can be read in gray.
  @Test func lightnessRisesAlongTheScale() {
    let values = levels((0...100).map { Float($0) / 100 }, HeatScale(0...1))
    let weights = [0.299, 0.587, 0.114]
    let luma = (0...100).map { place -> Double in
      zip(values[3 * place..<3 * place + 3], weights).reduce(0) { $0 + $1.0 * $1.1 }
    }
    #expect(zip(luma, luma.dropFirst()).allSatisfy { $0 < $1 })
  }

  @Test func equalValuesHaveTheFirstColour() throws {
    let scale = try HeatScale(of: .full(3, [2, 2, 2]))
    #expect(scale.range == 3...3)
    #expect(zip(levels([3], scale), HeatScale.colors[0]).allSatisfy { abs($0 - $1) < 1e-3 })
  }

  /// Half-pixel centres: of two columns of 0 and 1 become four of 0, 1/4, 3/4 and 1.
  @Test func aMapIsEnlargedBilinearlyOverTheGrayPicture() throws {
    let map = Tensor([0, 1, 0, 1] as [Float], shape: [1, 2, 2])
    let red = (0..<16).flatMap { _ in [200, 0, 0] as [UInt8] }
    let overlay = try HeatScale(0...1).overlays(map, on: [RGBImage(width: 4, height: 4, pixels: red)])
    #expect(overlay.count == 1 && overlay[0].width == 4 && overlay[0].height == 4)
    for (column, quarter) in [0, 1, 3, 4].enumerated() {
      let expected = HeatScale.colors[quarter].map { 0.4 * 0.299 * 200 + 0.6 * $0 }
      for row in 0..<4 {
        let pixel = overlay[0][column, row]
        for (level, value) in zip([pixel.red, pixel.green, pixel.blue], expected) {
          #expect(abs(Double(level) - value) <= 0.501)  // rounded to whole levels
        }
      }
    }
  }

  @Test func picturesKeepTheirMaps() throws {
    let maps = Tensor([0, 1] as [Float], shape: [2, 1, 1])
    let black = RGBImage(width: 1, height: 1, pixels: [0, 0, 0])
    let pixels = try HeatScale(0...1).overlays(maps, on: [black, black]).map(\.pixels)
    #expect(pixels == [[0, 0, 2], [151, 153, 98]])  // 0.6 times the ends' colours
    #expect(try HeatScale(0...1).overlays(maps.narrowed(0..<0), on: []).isEmpty)
  }
}

@Suite struct NeighbourSheetTests {
  /// Test images, where the encoder looks in them, and the neighbours.
  @Test func theSecondColumnIsTheMapOverTheImage() throws {
    let network = try makeTrainedEncoder().network
    let set = try EvaluationData(
      makeColourFolder(imagesPerClass: 2), split: .train, input: EvaluationInput(.small, workers: 1))
    let comparison = try KNNEvaluation(train: set, test: set, device: .cpu)
    let (_, bank, queries) = try comparison.accuracy(of: network)
    let path = temporaryFolder() + "/sheet.png"
    let text = try comparison.writeSheet(to: path, bank: bank, queries: queries, of: network)
    let sheet = try ImageDecoder().decode(contentsOf: path)
    // Six rows of two pictures and five neighbours, of 16 pixels in frames of 2, twice as large, with gaps of 3.
    #expect(sheet.width == 7 * 43 + 3 && sheet.height == 6 * 43 + 3)
    let maps = try set.attention(of: network, to: [0, 2, 4, 1, 3, 5], on: .cpu)
    let scale = try HeatScale(of: maps.maps)
    let overlays = try scale.overlays(maps.maps, on: maps.pictures)
    for row in 0..<6 {
      for (column, picture) in [maps.pictures[row], overlays[row]].enumerated() {
        for place in 0..<16 {
          let isSame =
            sheet[3 + 43 * column + 4 + 2 * place, 3 + 43 * row + 4 + 2 * place] == picture[place, place]
          #expect(isSame, "row \(row), column \(column), pixel \(place)")
        }
      }
    }
    let (low, high) = (HeatScale.text(scale.range.lowerBound), HeatScale.text(scale.range.upperBound))
    #expect(text == "norm of the last feature map, \(low) (dark) to \(high) (light)")
  }

  @Test(arguments: [(0.0314, "0.03"), (9.876, "9.88"), (12.34, "12.3"), (1234.5, "1234"), (0, "0.00")])
  func valuesHaveThreeDigits(value: Double, text: String) {
    #expect(HeatScale.text(value) == text)
  }
}

@Suite struct EvaluationPictureTests {
  private func set(_ spec: EncoderSpec) throws -> EvaluationData {
    try EvaluationData(
      makeColourFolder(imagesPerClass: 1), split: .train, input: EvaluationInput(spec, workers: 1))
  }

  @Test func picturesComeBackFromInputsToTheByte() throws {
    let set = try set(.small)
    let pictures = try set.pictures(of: [2, 0, 1])
    let inputs = try set.inputs(of: pictures, on: .cpu)
    #expect(inputs.shape == [3, 3, 16, 16])
    #expect(try set.pictures(ofInputs: inputs) == pictures)
    #expect(Set(pictures.map(\.pixels)).count == 3)
  }

  @Test func levelsThatAPictureCannotHoldAreTheNearest() throws {
    let set = try set(.small)
    for (value, level) in [(1e3, 255), (-1e3, 0)] as [(Double, UInt8)] {
      let pictures = try set.pictures(ofInputs: .full(value, [1, 3, 16, 16]))
      #expect(pictures.map(\.pixels) == [[UInt8](repeating: level, count: 768)])
    }
    let error = #expect(throws: EvaluationError.self) {
      try set.pictures(ofInputs: .full(.nan, [1, 3, 16, 16]))
    }
    #expect(error == .notFinite("images"))
  }
}
