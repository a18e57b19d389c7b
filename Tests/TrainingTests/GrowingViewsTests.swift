import Data
import Distributed
import Files
import Foundation
import Images
import Methods
import TestSupport
import Testing
import Weights
@testable import Training

/// `--image-sizes`: views that grow with the run.
@Suite struct GrowingViewsTests {
  private let runs: SmallRuns

  init() throws { runs = try SmallRuns() }

  /// 10 steps in 2 epochs, half of them of 8 pixels and half of 16.
  private func config(_ change: (inout RunConfig) -> Void = { _ in }) throws -> RunConfig {
    try runs.config {
      $0.imageSizes = [8, 16]
      change(&$0)
    }
  }

  private func losses(_ out: String) -> [Double] {
    RunLog.read(out + "/log.jsonl").compactMap { if case .step(let step) = $0 { step.loss } else { nil } }
  }

  @Test func eachSizeHasAnEqualShareOfTheSteps() throws {
    var config = try config { ($0.imageSizes, $0.imageSize) = ([8, 12, 16], 16) }
    func sides(_ steps: Int, perEpoch: Int) -> [Int] {
      (0..<steps).map { config.viewSide(step: $0, stepsPerEpoch: perEpoch) }
    }
    #expect(sides(12, perEpoch: 6) == [8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 16, 16])
    #expect(sides(4, perEpoch: 2) == [8, 8, 12, 16])
    // A run that is ended early sees the same until then.
    config.steps = 5
    #expect(sides(5, perEpoch: 6) == [8, 8, 8, 8, 12])
    (config.minutes, config.steps) = (10, 6)
    #expect(sides(6, perEpoch: 100) == [8, 8, 12, 12, 16, 16])
    config.imageSizes = nil
    #expect(sides(3, perEpoch: 100) == [16, 16, 16])
  }

  /// The weights of a residual network do not depend on the size.
  @Test func theFirstStepsAreThoseOfARunOfSmallViews() throws {
    let (growing, small) = (try runs.run(config()), try runs.run(runs.config { $0.imageSize = 8 }))
    let (a, b) = (losses(growing), losses(small))
    #expect(a.count == 10 && a.prefix(5) == b.prefix(5) && a[5] != b[5])
    let sheet = try ImageDecoder().decode(contentsOf: growing + "/views.png")
    #expect(sheet.width < 8 * (16 * 2 + 3) + 3)
  }

  /// Before, at and behind the step at which the views grow.
  @Test func aRunStoppedAndContinuedEqualsTheUnbrokenOne() throws {
    let out = temporaryFolder() + "/run"
    let unbroken = try runs.run(config())
    for steps in [3, 5, 7, nil] { try runs.run(config { $0.steps = steps }, to: out) }
    #expect(try model(out).count > 50 && model(out) == model(unbroken))
    #expect(try Checkpoint.load(out).state == Checkpoint.load(unbroken).state)
    #expect(losses(out) == losses(unbroken))
  }

  @Test func workersChangeNoBit() throws {
    let models = try [1, 7].map { workers in try model(runs.run(config { $0.workers = workers })) }
    #expect(models[0].count > 50 && models[0] == models[1])
  }

  @Test func minutesAreMeasuredAtEachSize() throws {
    let settings = try config { $0.minutes = 0.5 }
    let out = temporaryFolder() + "/run"
    // 29 s, 1 s before the steps: 7 of 1 s and 7 of 3 s.
    let run = try Pretraining(
      settings, data: runs.data, out: out,
      timing: { _ in RunTiming(beforeSteps: 1, secondsPerStep: [1, 3]) },
      console: Console(quiet: true, silent: true))
    #expect(run.config.steps == 14)
    let rehearsal = Rehearsal(
      config: settings, dataset: run.dataset, sampler: run.sampler, monitor: nil, device: .cpu,
      context: .alone, retries: .init(), out: out, start: RunStart(), began: .now)
    let timing = try rehearsal.timing()
    #expect(timing.secondsPerStep.count == 2 && timing.secondsPerStep.allSatisfy { $0 > 0 })
    #expect(timing.knn == nil && timing.beforeSteps > 0 && timing.checkpoint > 0)
  }

  @Test func sizesThatCannotBeAreRefused() throws {
    func message(_ recipe: String = "cifar", _ change: (inout RunConfig) -> Void) throws -> String? {
      var config = try RunConfig.recipe(recipe)
      change(&config)
      return #expect(throws: UsageError.self) { try config.validate() }?.description
    }
    let order =
      "each is larger than the one before it, and the last is --image-size, which is 32."
    for sizes in [[16, 24], [32, 16, 32], [16, 16, 32]] {
      let text = sizes.map(String.init).joined(separator: ",")
      #expect(
        try message { $0.imageSizes = KeyList(sizes) } == "--image-sizes \(text): \(order)")
    }
    #expect(try message { $0.imageSizes = [4, 32] } == "--image-sizes 4,32: 8 to 8192 pixels each.")
    let networks =
      "only residual networks, and methods that do not cut images, take views of several sizes. Leave it out."
    #expect(
      try message("v3-vit-small") { $0.imageSizes = [112, 224] } == "--image-sizes 112,224: \(networks)")
    #expect(try message("jigsaw") { $0.imageSizes = [16, $0.imageSize] }?.hasSuffix(networks) == true)
    #expect(
      try message("ig1b") { $0.imageSizes = [112, 224] }
        == "--image-sizes 112,224 with --schedule 0.9x62500: shares of the steps need a length in epochs or minutes. Give "
        + "--schedule cosine, or epochs such as 120,160.")
  }

  @Test func sizesAreReadFromTheCommandLineAndFromYAML() throws {
    let config = try KeyArguments(["--image-sizes", "16,24,32"]).applied(to: RunConfig.recipe("cifar"))
    #expect(config.imageSizes == [16, 24, 32])
    #expect(try RunConfig(recipe: "image-sizes: [112, 224]", source: "r.yaml").imageSizes == [112, 224])
    #expect(try RunConfig(yaml: config.yaml(), source: "config.yaml") == config)
  }
}
