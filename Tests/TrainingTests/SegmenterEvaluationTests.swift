import Evaluation
import Files
import Foundation
import TestSupport
import Testing
@testable import Training

/// Tests of trained segmenters, without a training.
@Suite struct SegmenterEvaluationTests {
  @Test func anEvaluationAloneGivesTheRunsResults() throws {
    let set = try SegmentedSet()
    let out = try set.run(SegmentedSet.config { $0.steps = 2 })
    let other = temporaryFolder() + "/other"
    let evaluation = try SegmenterEvaluation(
      out, test: set.spec, out: other, console: Console(quiet: true, silent: true))
    let measured = try #require(try evaluation.run())
    #expect(try predictions(other) == predictions(out))
    #expect(measured.scores == tests(out).last?.scores && measured.step == 2)
  }

  /// Tests a run, and gives its lock back.
  /// - Returns: The folder of the results.
  private func evaluate(_ run: String, on test: String, out: String) throws -> String {
    let evaluation = try SegmenterEvaluation(
      run, test: test, out: out, console: Console(quiet: true, silent: true))
    _ = try evaluation.run()
    return evaluation.folder
  }

  /// The report draws the run's own label maps and confusion beside the numbers of its log.
  @Test func aTestOfOtherImagesLeavesTheRunsResultsAsTheyAre() throws {
    let (set, other) = (try SegmentedSet(images: 3), try SegmentedSet(images: 2, seed: 9))
    let out = try set.run(SegmentedSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    func results() throws -> [Data?] {
      let maps = try predictions(out)
      return ["confusion.csv", "log.jsonl"].map { FileManager.default.contents(atPath: "\(out)/\($0)") }
        + maps.keys.sorted().map { maps[$0] }
    }
    let before = try results()
    #expect(before.count == 5 && !before.contains(nil))
    // Whether the run is named by --out alone, with a slash, or by a checkpoint.
    for (network, place) in [(out, out), (out, out + "/"), ("\(out)/checkpoints/step-1", out)] {
      let folder = try evaluate(network, on: other.spec, out: place)
      #expect(folder == out + "/eval")
      #expect(try predictions(folder).keys.sorted() == ["000.png", "001.png"])
      let table = try ConfusionTable(contentsOf: folder + "/confusion.csv")
      #expect(table.matrix.allPixels > 0)
      #expect(try results() == before)
    }
  }

  @Test func labelMapsOfTheTestBeforeAreRemoved() throws {
    let (set, other) = (try SegmentedSet(images: 3), try SegmentedSet(images: 2, seed: 9))
    let config = try SegmentedSet.config { ($0.steps, $0.preciseBN) = (1, 0) }
    let out = try set.run(config)
    let folder = try evaluate(out, on: set.spec, out: out)
    #expect(try predictions(folder).count == 3)
    _ = try evaluate(out, on: other.spec, out: out)
    #expect(try predictions(folder).count == 2)

    // So does a test of the training.
    try Data("old".utf8).write(to: URL(filePath: out + "/predictions/old.png"))
    try set.run(SegmentedSet.config { ($0.steps, $0.preciseBN) = (2, 0) }, to: out)
    #expect(try predictions(out).keys.sorted() == ["000.png", "001.png", "002.png"])
  }

  @Test func oneProcessAtATimeTestsIntoAFolder() throws {
    let set = try SegmentedSet(images: 2)
    let out = try set.run(SegmentedSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    // A process that trains in the run's folder is not disturbed, and does not disturb.
    let training = try RunFolder(out)
    let folder = try withExtendedLifetime(training) { try evaluate(out, on: set.spec, out: out) }
    let lock = try FileLock(folder + "/.lock")
    try withExtendedLifetime(lock) {
      let error = try failure(UsageError.self) { _ = try evaluate(out, on: set.spec, out: out) }
      #expect(
        error.description
          == "--out \(out)/eval: another process is testing into this folder. Wait for it, or choose another."
      )
    }
  }

  /// What lies there would be removed.
  @Test func aFolderOfOtherFilesIsNotTestedInto() throws {
    let set = try SegmentedSet(images: 2)
    let out = try set.run(SegmentedSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    let other = temporaryFolder()
    try Data("mine".utf8).write(to: URL(filePath: other + "/mine.png"))
    let error = try failure(UsageError.self) { _ = try evaluate(out, on: set.spec, out: other) }
    #expect(
      error.description
        == "--out \(other): the folder is not empty (mine.png) and holds no results of a test. Choose a new one."
    )
    #expect(try names(in: other) == ["mine.png"])
  }

  /// A tile that covers the image sees the same pixels; smaller ones see other borders, and every pixel has a class all the
  /// same.
  @Test func imagesAreTestedInTilesToo() throws {
    let set = try SegmentedSet(images: 2)
    let out = try set.run(SegmentedSet.config { $0.steps = 2 })
    func test(_ tile: Int) throws -> (folder: String, scores: SegmentationScores) {
      let folder = temporaryFolder() + "/tiles"
      let evaluation = try SegmenterEvaluation(
        out, test: set.spec, out: folder, console: Console(quiet: true, silent: true)
      ) {
        var config = $0
        config.tileSize = tile
        return config
      }
      return (folder, try #require(try evaluation.run()).scores)
    }
    let whole = try test(64)
    #expect(try predictions(whole.folder) == predictions(out))
    let (small, again) = (try test(33), try test(33))
    #expect(try predictions(small.folder) == predictions(again.folder) && small.scores == again.scores)
    #expect(try predictions(small.folder).count == 2)
  }

  @Test func aNetworkIsNotChangedByItsEvaluation() throws {
    let set = try SegmentedSet(images: 2)
    let out = try set.run(SegmentedSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    let error = try failure(UsageError.self) {
      _ = try SegmenterEvaluation(
        out, test: set.spec, out: out, console: Console(quiet: true, silent: true)
      ) {
        var config = $0
        config.headChannels = 32
        return config
      }
    }
    #expect(error.description == "--head-channels 32: the segmenter in \(out) has 16. Leave it out.")
  }

  @Test func aDetectorIsNoSegmenter() throws {
    let set = try RectangleSet(images: 2)
    let out = try set.run(RectangleSet.config { ($0.steps, $0.preciseBN) = (1, 0) })
    let error = try failure(RunError.self) {
      _ = try SegmenterEvaluation(out, test: "x", out: out, console: Console(quiet: true, silent: true))
    }
    #expect(
      error.description.hasSuffix(
        "it holds no segmenter. Give a run of `moco segment`, or one of its checkpoints."))
  }
}
