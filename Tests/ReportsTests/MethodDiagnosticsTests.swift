import Foundation
import Methods
import TestSupport
import Testing
@testable import Reports
@testable import Training

/// The columns of the log for each way to train.
@Suite(.serialized) struct MethodDiagnostics {
  struct Case: Sendable, CustomTestStringConvertible {
    let method: MethodName
    var mechanism = Mechanism.queue
    /// Whether answers are counted, and whether there is a queue.
    let looksUp: Bool
    var hasQueue = false
    /// What the report's charts of accuracy and pace are called.
    let charts: [String]
    var testDescription: String { "\(method.rawValue) \(mechanism.rawValue)" }
  }

  static let cases = [
    Case(method: "moco", looksUp: true, hasQueue: true, charts: ["Contrast", "EMA momentum"]),
    Case(method: "moco", mechanism: .endToEnd, looksUp: true, charts: ["Contrast"]),
    Case(method: "moco", mechanism: .memoryBank, looksUp: true, charts: ["Contrast"]),
    Case(method: "moco-v3", looksUp: true, charts: ["Contrast", "EMA momentum"]),
    Case(method: "densecl", looksUp: true, hasQueue: true, charts: ["Contrast", "EMA momentum"]),
    Case(method: "simclr", looksUp: true, charts: ["Contrast"]),
    Case(method: "byol", looksUp: false, charts: ["EMA momentum"]),
    Case(method: "simsiam", looksUp: false, charts: []),
    Case(method: "barlow-twins", looksUp: false, charts: []),
    Case(method: "instdisc", looksUp: true, charts: ["Contrast"]),
    Case(method: "local-agg", looksUp: true, charts: ["Contrast"]),
    Case(method: "cpc", looksUp: true, charts: ["Contrast"]),
    Case(method: "rotation", looksUp: true, charts: ["Task"]),
    Case(method: "jigsaw", looksUp: true, charts: ["Task"]),
    Case(method: "relative-position", looksUp: true, charts: ["Task"]),
    Case(method: "colorization", looksUp: true, charts: ["Task"]),
    Case(method: "exemplar", looksUp: true, charts: ["Contrast"]),
    Case(method: "multi-task", looksUp: true, charts: ["Task"]),
  ]

  @Test func everyMethodIsHere() {
    // They need a transformer: EncoderPictures has their pages.
    let masked: Set<MethodName> = ["mae", "moco-mae"]
    #expect(Set(Self.cases.map(\.method)) == Set(MethodName.allCases).subtracting(masked))
  }

  @Test(arguments: cases)
  func everyStepTellsHowFeaturesLieAndWhatWasFound(which: Case) throws {
    let out = temporaryFolder() + "/run"
    var config = RunConfig()
    (config.method, config.mechanism, config.arch) = (which.method, which.mechanism, .resnet8)
    (config.imageSize, config.views, config.batchSize, config.mocoK) = (16, .cifar, 8, 12)
    (config.mocoDim, config.mocoMlpDim) = (8, 8)
    (config.steps, config.logEvery, config.workers, config.device) = (2, 1, 1, .named(.cpu))
    let data = try makeImageFolder(classes: 1, imagesPerClass: 20)
    _ = try Pretraining(config, data: data, out: out, console: Console(quiet: true)).run()
    let steps = RunLog.read(out + "/log.jsonl").compactMap {
      if case .step(let step) = $0 { step } else { nil }
    }
    #expect(steps.count == 2)
    for step in steps {
      let found = try #require(step.diagnostics)
      #expect((0...4).contains(found.alignment) && (-8...1e-3).contains(found.uniformity))
      #expect((1...16).contains(found.featureRank))
      #expect((step.contrastTop1 != nil) == which.looksUp && (step.contrastTop5 != nil) == which.looksUp)
      #expect((found.queueAge != nil) == which.hasQueue && (found.queueSimilarity != nil) == which.hasQueue)
    }

    let record = try RunHistory(out)
    let groups = ReportCharts(record).groups
    #expect(
      groups.map(\.id) == ["learning", "features"] + (which.hasQueue ? ["dictionary"] : []) + ["pace"])
    let titles = groups.flatMap(\.charts).map(\.title)
    #expect(titles.filter { ["Contrast", "Task", "EMA momentum"].contains($0) } == which.charts)
    #expect(
      ReportHeader(record: record).html.text.contains("positive found first")
        == which.charts.contains("Contrast"))
    #expect(
      ReportHeader(record: record).html.text.contains("task answered right") == which.charts.contains("Task"))
  }
}
