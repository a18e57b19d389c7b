import Evaluation
import Files
import Foundation
import Images
import Methods
import TestSupport
import Testing
import Torch
@testable import Reports
@testable import Training

/// The pictures of a run's encoder: where it looks, and the patches that its decoder predicts.
@Suite struct EncoderPictures {
  private static let names = ["blue/000.png", "green/001.png", "blue/002.png"]

  /// A short run of a recipe on images of 16 pixels, and its folder.
  private func pretrain(_ recipe: String, _ change: (inout RunConfig) -> Void) throws -> String {
    let run = temporaryFolder() + "/run"
    var config = try RunConfig.recipe(recipe)
    (config.imageSize, config.batchSize, config.bnSplits, config.mocoK) = (16, 12, 1, 24)
    (config.epochs, config.warmupEpochs, config.logEvery, config.workers) = (1, 0, 1, 1)
    config.device = .named(.cpu)
    change(&config)
    let data = try makeColourFolder(imagesPerClass: 12)
    _ = try Pretraining(config, data: data, out: run, console: Console(quiet: true)).run()
    return run
  }

  /// The same of a transformer of 4×4 patches.
  private func pretrainTransformer(_ recipe: String) throws -> String {
    try pretrain(recipe) { config in
      (config.arch, config.heads, config.mocoDim, config.mocoMlpDim) = (.vitMini, 3, 16, 32)
      (config.decoderDim, config.decoderDepth, config.decoderHeads) = (32, 1, 2)
    }
  }

  private func page(_ run: String) throws -> String {
    let report = try HTMLReport(run: run)
    #expect(report.missing.isEmpty)
    return report.html
  }

  /// The picture with a description in a part of a page.
  private func picture(_ description: String, in part: String) throws -> RGBImage {
    let image = try #require(part.range(of: " alt=\"\(description)\" "))
    let source = try #require(part.range(of: ";base64,", range: image.upperBound..<part.endIndex))
    let end = try #require(part.range(of: "\"", range: source.upperBound..<part.endIndex))
    let data = try #require(Data(base64Encoded: String(part[source.upperBound..<end.lowerBound])))
    return try ImageDecoder().decode(data)
  }

  // MARK: - Attention

  /// A residual network has no class token: the norm of its last map, over the first eight images with neighbours.
  @Test func theNormOfTheLastMapLiesOverEightImages() throws {
    let page = try page(pretrain("cifar") { $0.arch = .resnet8 })
    let attention = try section("attention", of: page)
    #expect(count("<figure class=\"look\">", in: attention) == 8 && count("<img", in: attention) == 16)
    #expect(attention.contains("the norm of the last feature map in each of its 4×4 cells."))
    #expect(attention.contains("This network has no class token"))
    #expect(count("<p class=\"legend\">", in: attention) == 1)
    #expect(attention.contains("One scale for all pictures"))
    #expect(attention.contains("linear-gradient(90deg,rgb(0,0,4),"))
    // Every picture is described: the image by its name, the map by its highest place.
    let neighbours = try section("neighbours", of: page)
    for name in Self.names {
      #expect(neighbours.contains("alt=\"\(name)\""))
      #expect(attention.contains("alt=\"\(name)\""))
      #expect(attention.contains("alt=\"Norm of the last feature map in \(name): highest "))
    }
    #expect(attention.contains("<figcaption><b>blue</b> highest "))
    #expect(!page.contains("<section id=\"reconstruction\">"))
  }

  @Test func theClassTokensAttentionLiesOverEightImagesInTheMeanAndByHead() throws {
    let attention = try section("attention", of: page(pretrainTransformer("v3-vit-small")))
    #expect(count("<figure class=\"look\">", in: attention) == 8 && count("<img", in: attention) == 24)
    #expect(attention.contains("the class token&#39;s attention to the 4×4 patches in the last block"))
    #expect(attention.contains("in the mean over 3 heads; beside it, smaller, each head."))
    #expect(attention.contains(" times an even share. One scale for all pictures"))
    #expect(!attention.contains("mean of the patches"))
    for name in Self.names {
      #expect(attention.contains("alt=\"Attention of the class token in \(name): highest "))
      // Two rows of two pictures of 16 pixels, twice as large, with borders.
      let heads = try picture("The same of each head in \(name), in rows", in: attention)
      #expect(heads.width == 2 * 35 + 3 && heads.height == 2 * 35 + 3)
    }
  }

  @Test func theSameRunHasTheSamePageToTheByte() throws {
    let run = try pretrainTransformer("mae")
    let pages = try [page(run), page(run)]
    #expect(pages[0] == pages[1])
  }

  @Test(arguments: [
    (0, 1, 0, 1, "in the middle"), (0, 2, 1, 2, "at the upper right"), (3, 7, 0, 7, "at the left"),
    (6, 7, 3, 7, "at the bottom"), (13, 14, 13, 14, "at the lower right"), (0, 4, 1, 4, "at the top"),
  ])
  func placesAreThirdsOfThePicture(row: Int, rows: Int, column: Int, columns: Int, words: String) {
    #expect(AttentionRows.place(row: row, of: rows, column: column, of: columns) == words)
  }

  @Test func thePeakIsTheFirstOfTheHighest() {
    let map = Tensor([1, 5, 0, 5, 2, 5] as [Float], shape: [2, 3])
    let peak = AttentionRows.peak(of: map)
    #expect(peak.value == 5 && peak.place == "at the top")
  }

  @Test func theLegendHasTheEndsOfTheScale() {
    let legend = AttentionRows.legend(HeatScale(0.0314...12.34), .classToken).text
    #expect(legend.hasPrefix("<p class=\"legend\">0.03 <span class=\"heat\""))
    #expect(legend.contains("</span> 12.3 times an even share. One scale for all pictures"))
    #expect(legend.contains("where a single head has more, it has the last colour"))
    #expect(!AttentionRows.legend(HeatScale(0...1), .featureNorm).text.contains("head"))
  }

  // MARK: - Reconstruction

  /// Three quarters of the patches are gray, the mean colour, on the left, and only they are predicted in the middle.
  @Test(arguments: ["mae", "moco-mae"])
  func hiddenPatchesAreShownAndPredicted(recipe: String) throws {
    let page = try page(pretrainTransformer(recipe))
    let part = try section("reconstruction", of: page)
    #expect(count("<figure class=\"look\">", in: part) == 8 && count("<img", in: part) == 24)
    #expect(part.contains("75 % of the patches hidden, the same ones in every report."))
    #expect(part.contains("The decoder predicts each patch normalised by itself"))
    // ImageNet's mean, by which the network's inputs are normalised, times 255.
    let gray = [124, 116, 104] as [UInt8]
    for name in Self.names {
      let image = try picture(name, in: part)
      let masked = try picture("\(name), its hidden patches gray", in: part)
      let predicted = try picture("\(name), its hidden patches predicted", in: part)
      #expect(image == (try picture(name, in: section("attention", of: page))))
      var hidden = 0
      for patch in 0..<16 {
        func pixels(_ image: RGBImage) -> [[UInt8]] {
          (0..<16).map { pixel in
            let found = image[patch % 4 * 4 + pixel % 4, patch / 4 * 4 + pixel / 4]
            return [found.red, found.green, found.blue]
          }
        }
        if pixels(masked).allSatisfy({ $0 == gray }) {
          hidden += 1
          #expect(pixels(predicted) != pixels(masked))
        } else {
          #expect(pixels(masked) == pixels(image) && pixels(predicted) == pixels(image))
        }
      }
      #expect(hidden == 12)
    }
    // The features of these networks are the mean of the patches.
    #expect(try section("attention", of: page).contains("the class token is not among them"))
  }

  @Test func withoutACheckpointNothingIsReconstructed() throws {
    let run = try pretrainTransformer("mae")
    try FileManager.default.removeItem(atPath: run + "/checkpoints")
    let report = try HTMLReport(run: run)
    #expect(report.missing.count == 4)
    #expect(
      try section("reconstruction", of: report.html).contains(
        "There is no such picture: the run has saved no checkpoint yet."))
  }
}
