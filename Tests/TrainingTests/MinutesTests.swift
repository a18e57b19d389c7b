import Distributed
import Files
import Foundation
import Methods
import TestSupport
import Testing
import Torch
import Weights
@testable import Training

/// Runs of `--minutes`, with times that are given.
@Suite struct MinutesTests {
  private let runs: SmallRuns

  init() throws { runs = try SmallRuns() }

  /// - Parameter timing: By default no run measures.
  private func run(
    _ config: RunConfig, to out: String, resume: Pretraining.Resume = .auto,
    timing: (Rehearsal) throws -> RunTiming = { _ in throw RunError("a rehearsal that was not expected") }
  ) throws -> Pretraining {
    try Pretraining(
      config, data: runs.data, out: out, resume: resume, timing: timing,
      console: Console(quiet: true, silent: true))
  }

  /// 30 s without the reserve of 1 s, 1 s before the steps: 9 steps of 3 s.
  private static let timing = RunTiming(beforeSteps: 1, secondsPerStep: [3])

  private func config(_ change: (inout RunConfig) -> Void = { _ in }) throws -> RunConfig {
    try runs.config {
      $0.minutes = 0.5
      change(&$0)
    }
  }

  private func files(_ out: String, step: Int) throws -> [Data] {
    try ["model.safetensors", "optimizer.safetensors", "state.json"].map {
      try #require(FileManager.default.contents(atPath: "\(out)/checkpoints/step-\(step)/\($0)"))
    }
  }

  @Test func theDecisionIsInTheFolderAndInTheLog() throws {
    let out = temporaryFolder() + "/run"
    #expect(try run(config(), to: out, timing: { _ in Self.timing }).run() == .finished)
    #expect(try RunFolder.config(out) == config { $0.steps = 9 })
    #expect(steps(out) == Array(1...9))
    #expect(notes(out) == ["measured: 3.000 s a step, 0.00 s a checkpoint; 1.0 s before the first step"])
  }

  /// As a run is left that was killed after its third step.
  @Test func aRunThatIsContinuedKeepsItsStepsAndEqualsTheUnbrokenOne() throws {
    let (unbroken, broken) = (temporaryFolder() + "/run", temporaryFolder() + "/run")
    let settings = try config { ($0.saveEvery, $0.keep) = (1, 99) }
    #expect(try run(settings, to: unbroken, timing: { _ in Self.timing }).run() == .finished)
    let files = FileManager.default
    try files.createDirectory(atPath: broken + "/checkpoints", withIntermediateDirectories: true)
    for name in ["config.yaml", "log.jsonl", "checkpoints/step-3"] {
      try files.copyItem(atPath: "\(unbroken)/\(name)", toPath: "\(broken)/\(name)")
    }
    let latest = try String(contentsOfFile: unbroken + "/checkpoints/latest", encoding: .utf8)
    try latest.replacing("step-9", with: "step-3")
      .write(toFile: broken + "/checkpoints/latest", atomically: true, encoding: .utf8)

    let rest = try run(settings, to: broken)
    #expect(rest.config.steps == 9)
    #expect(try rest.run() == .finished)
    #expect(steps(broken) == Array(1...9) && notes(broken).isEmpty)
    #expect(try self.files(broken, step: 9) == self.files(unbroken, step: 9))

    var longer = settings
    longer.minutes = 1
    let error = #expect(throws: UsageError.self) { try run(longer, to: broken) }
    #expect(error?.description.contains("minutes is 0.5 there and 1.0 here") == true)
  }

  /// As where the process is killed before its first checkpoint.
  @Test func whatIsDecidedIsKeptBeforeTheFirstStep() throws {
    let out = temporaryFolder() + "/run"
    #expect(try run(config(), to: out, timing: { _ in Self.timing }).config.steps == 9)
    #expect(try run(config(), to: out).config.steps == 9)
  }

  /// The same settings with the steps that were decided, and no rehearsal.
  @Test func aRehearsalLeavesNoTraceInTheRun() throws {
    let (measured, given) = (temporaryFolder() + "/run", temporaryFolder() + "/run")
    let settings = try config { ($0.knnTrain, $0.knnTest) = (runs.data, runs.data) }
    var found: RunTiming?
    let first = try run(settings, to: measured) {
      found = try $0.timing()
      return Self.timing
    }
    let timing = try #require(found)
    #expect(timing.secondsPerStep.allSatisfy { $0 > 0 } && timing.checkpoint > 0 && timing.beforeSteps > 0)
    #expect(timing.knn.map { $0 > 0 } == true)
    #expect(!FileManager.default.fileExists(atPath: measured + "/.rehearsal"))
    #expect(try first.run() == .finished)
    var decided = settings
    decided.steps = 9
    #expect(try run(decided, to: given).run() == .finished)
    #expect(try files(measured, step: 9) == files(given, step: 9))
  }

  @Test func minutesThatAreTooFewLeaveNoFolder() throws {
    let out = temporaryFolder() + "/run"
    let error = #expect(throws: UsageError.self) {
      try run(config { $0.minutes = 0.001 }, to: out) { try $0.timing() }
    }
    #expect(error?.description.hasPrefix("--minutes 0.001: ") == true)
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  /// All take part in the rehearsal; the second rank's own times would give 28 steps.
  @Test func allRanksTakeTheDecisionOfTheFirst() async throws {
    let (out, settings) = (temporaryFolder() + "/run", try config())
    let found = try await withRankContexts(2) { [runs] context in
      let run = try Pretraining(
        settings, data: runs.data, out: out, context: context,
        timing: {
          _ = try $0.timing()
          return RunTiming(beforeSteps: 1, secondsPerStep: [context.isFirst ? 3 : 1])
        }, console: Console(quiet: true, silent: true))
      #expect(try run.run() == .finished)
      return run.config.steps
    }
    #expect(found == [9, 9])
  }

  /// The minutes of a run that is carried on are its own.
  @Test func aCarriedRunHasItsMinutesFromItsStart() throws {
    let (old, new) = (temporaryFolder() + "/run", temporaryFolder() + "/run")
    #expect(try run(config(), to: old, timing: { _ in Self.timing }).run() == .finished)
    let carrying = try RunConfig(carrying: old, to: new)
    #expect(carrying.minutes == 0.5 && carrying.steps == 9)
    let longer = try KeyArguments(["--minutes", "0.25"]).applied(to: carrying)
    // 15 s without a reserve of 1 s, 2 s before the steps.
    let outcome = try run(longer, to: new, resume: .from(old)) { _ in
      RunTiming(beforeSteps: 2, secondsPerStep: [3])
    }.run()
    #expect(outcome == .finished && steps(new) == Array(10...13))
    #expect(notes(new).contains("minutes 0.5 → 0.25") && notes(new).count == 3)
    // As the command that is given again.
    let again = try KeyArguments(["--minutes", "0.25"]).applied(to: RunConfig(carrying: old, to: new))
    #expect(try run(again, to: new, resume: .from(old)).config.steps == 13)
  }
}
