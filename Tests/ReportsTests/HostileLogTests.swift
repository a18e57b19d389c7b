import Files
import Foundation
import Methods
import TestSupport
import Testing
import Torch
@testable import Reports
@testable import Training

/// A log is a file like any other: whatever stands in it, a report is made, or refused with words.
@Suite struct HostileLogs {
  private let run = temporaryFolder() + "/run"
  private var log: String { run + "/log.jsonl" }

  init() throws { try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true) }

  private func step(_ number: Int, _ change: (inout RunEvent.Step) -> Void = { _ in }) -> RunEvent {
    var step = RunEvent.Step(
      step: number, epoch: Double(number) / 10, loss: 6, lr: 0.06, momentum: 0.99, contrastTop1: 0.25,
      contrastTop5: 0.5, imagesPerSecond: 512, dataWait: 0.01,
      diagnostics: Diagnostics(queries: .ones([2, 1]), keys: .ones([2, 1])))
    step.diagnostics?.observe(queue: .ones([4, 1]), steps: number, keysPerStep: 1)
    change(&step)
    return .step(step)
  }

  private func start(_ change: (inout RunConfig) -> Void = { _ in }) throws -> RunEvent {
    var config = try RunConfig.recipe("cifar")
    change(&config)
    return .start(
      .init(
        time: "2026-01-01T00:00:00Z", config: config, data: "10 images", images: 10,
        host: .init(
          system: "s", cores: 2, threads: 2, device: "cpu", libtorch: "2.11.0", cpuCapability: "AVX2"),
        dataPath: "/nowhere"))
  }

  private func write(_ events: [RunEvent]) throws {
    let log = try RunLog(path: log, resumingFrom: 0)
    for event in events { try log.write(event) }
  }

  private func validLog() throws -> [UInt8] {
    try write([
      start(), step(1), .knn(.init(step: 1, epoch: 0.1, top1: 40)), step(2), step(3),
      .knn(.init(step: 3, epoch: 0.3, top1: 30)), .warning(.init(step: 3, message: "careful")),
      .end(.init(status: .stopped, step: 3, seconds: 7)),
    ])
    return try Array(Data(contentsOf: URL(fileURLWithPath: log)))
  }

  /// All that a page makes of a log, but the recipes, which do not depend on it.
  private func draw() throws {
    let record = try RunHistory(run)
    for chart in ReportCharts(record).groups.flatMap(\.charts) { _ = chart.drawing().svg(.page) }
    let course = ReportSessions(record: record)
    _ = [ReportHeader(record: record).html, course.warnings, course.sessions]
  }

  @Test func aMutatedLogNeverCrashesTheReport() throws {
    let valid = try validLog()
    let places = Mutation.numbers(in: valid)
    #expect(places.count > 60)
    var (drawn, refused) = (0, 0)
    for seed in 0..<2000 {
      var generator = CounterGenerator(seed: 5, .weights, seed)
      var bytes = valid
      for _ in 0...generator.index(below: 3) { Mutation.apply(to: &bytes, using: &generator) }
      try Data(bytes).write(to: URL(fileURLWithPath: log))
      do {
        try draw()
        if seed.isMultiple(of: 100) { _ = try HTMLReport(run: run) }
        drawn += 1
      } catch is UsageError {
        refused += 1  // nothing is left that can be read
      }
    }
    #expect(drawn > 1500 && drawn + refused == 2000)
  }

  @Test func numbersThatCannotBeARunsAreLeftOut() throws {
    try write([
      start(), step(1), step(.max), step(-1), step(2) { $0.loss = 1e300 }, step(2) { $0.loss = 1.7e308 },
      step(2) { $0.epoch = -0.5 },
      step(2) { $0.epoch = 1e300 }, step(2) { $0.diagnostics?.featureRank = -1e308 },
      .knn(.init(step: 2, epoch: 0.2, top1: 1e9)), .warning(.init(step: .min, message: "")),
      .end(.init(status: .finished, step: 2, seconds: 1e300)),
    ])
    let record = try RunHistory(run)
    #expect(record.steps.map(\.step) == [1] && record.measurements.isEmpty && record.warnings.isEmpty)
    #expect(record.state == .cut && record.sessions.count == 1)
  }

  @Test func aRunOfAnAgeOfTheWorldHasNoClock() throws {
    try write([
      start(), step(1_000_000_000_000) { ($0.epoch, $0.imagesPerSecond) = (0.5, 0) },
      step(3) { $0.epoch = 1e-300 },
    ])
    #expect(try RunHistory(run).totalSteps == nil)
    #expect(try HTMLReport(run: run).html.contains("images, epoch 0.00 of 200, in – on cpu"))
  }

  @Test func aConfigurationThatCannotTrainIsNotTakenFromALog() throws {
    try write([start { $0.mocoT = 0.5 }, start { $0.mocoK = -1 }, start { $0.accumulate = 0 }])
    #expect(try RunHistory(run).config.mocoT == 0.5)
    let yaml = "moco-k: -1\n"
    try Data(yaml.utf8).write(to: URL(fileURLWithPath: run + "/config.yaml"))
    let error = #expect(throws: UsageError.self) { try RunHistory(run) }
    #expect(
      error?.description
        == "\(run)/config.yaml: --moco-k -1: the queue needs room for at least one key, and at most 100,000,000."
    )
  }

  /// Alone, or behind other shards.
  @Test(arguments: ["pipe:", "x.tar::pipe:"]) func aCommandInALogIsNotRun(_ start: String) throws {
    let witness = run + "/witness"
    let data = try makeColourFolder(imagesPerClass: 6)
    let out = temporaryFolder() + "/trained"
    var config = try RunConfig.recipe("cifar")
    config.arch = .resnet8
    (config.imageSize, config.batchSize, config.bnSplits, config.mocoK) = (16, 8, 1, 16)
    (config.steps, config.workers, config.device) = (1, 1, .named(.cpu))
    _ = try Pretraining(config, data: data, out: out, console: Console(quiet: true)).run()
    let path = out + "/log.jsonl"
    let hostile = try String(contentsOfFile: path, encoding: .utf8)
      .replacing("\"data_path\":\"\(data)\"", with: "\"data_path\":\"\(start)touch \(witness)\"")
    #expect(hostile.contains("pipe:touch"))
    try Data(hostile.utf8).write(to: URL(fileURLWithPath: path))
    let report = try HTMLReport(run: out)
    #expect(report.missing.count == 3)
    #expect(
      report.missing.allSatisfy {
        $0.hasSuffix(
          "the images came from a command, and a report runs no command of a log; name images with --images")
      }, "\(report.missing)")
    #expect(!FileManager.default.fileExists(atPath: witness))
  }
}

/// Ways to damage a log.
private enum Mutation {
  private static let hostile = [
    "1e308", "-1e308", "1e999", "-1e999", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808",
    "0", "-0.0", "-1", "1e-320", "4.9e-324", "NaN", "null", "true", "\"x\"", "\"\"", "[]", "{}", "1e15",
    "3.5",
    "100000000", "2147483648", "[[[[[[[[[[[[[[[[", "\"\\ud800\"", "\"<script>\"",
  ]

  /// Where numbers stand that are the values of keys.
  static func numbers(in bytes: [UInt8]) -> [Range<Int>] {
    var found: [Range<Int>] = []
    var at = 1
    while at < bytes.count {
      var end = at
      while end < bytes.count, "0123456789.+-eE".utf8.contains(bytes[end]) { end += 1 }
      if bytes[at - 1] == UInt8(ascii: ":"), end > at { found.append(at..<end) }
      at = end + 1
    }
    return found
  }

  static func apply(to bytes: inout [UInt8], using generator: inout CounterGenerator) {
    guard !bytes.isEmpty else { return }
    func place() -> Int { generator.index(below: bytes.count) }
    switch generator.index(below: 10) {
    case 0: bytes[place()] = UInt8(generator.index(below: 256))
    case 1: bytes.insert(UInt8(generator.index(below: 256)), at: place())
    case 2:
      let start = place()
      bytes.removeSubrange(start..<min(bytes.count, start + 1 + generator.index(below: 20)))
    case 3: bytes.removeSubrange(place()...)
    case 4:
      var lines = bytes.split(separator: UInt8(ascii: "\n"))
      guard !lines.isEmpty else { return }
      let (a, b) = (generator.index(below: lines.count), generator.index(below: lines.count))
      if generator.index(below: 2) == 0 { lines.swapAt(a, b) } else { lines.append(lines[a]) }
      bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    default:
      let places = numbers(in: bytes)
      guard !places.isEmpty else { return }
      let value = hostile[generator.index(below: hostile.count)]
      bytes.replaceSubrange(places[generator.index(below: places.count)], with: Array(value.utf8))
    }
  }
}
