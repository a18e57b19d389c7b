import Files
import Foundation
import Methods
import TestSupport
import Testing
import Torch
import Weights
@testable import Distributed
@testable import Training

/// Runs of `--minutes`. Serialized: signals are the process's.
@Suite(.serialized) struct MinutesTests {
  private let runs: SmallRuns

  init() throws { runs = try SmallRuns() }

  private func run(
    _ config: RunConfig, to out: String, timing: RunTiming? = nil, resume: Pretraining.Resume = .auto
  ) throws -> Pretraining {
    try Pretraining(
      config, data: runs.data, out: out, resume: resume, timing: timing,
      console: Console(quiet: true, silent: true))
  }

  /// 30 s without the reserve of 1 s, 1 s before the steps: 9 steps of 3 s.
  private let timing = RunTiming(beforeSteps: 1, step: 3)

  private func config(_ change: (inout RunConfig) -> Void = { _ in }) throws -> RunConfig {
    try runs.config {
      $0.minutes = 0.5
      change(&$0)
    }
  }

  /// Makes one step, as a signal comes in it.
  private func stopped(_ run: Pretraining) throws {
    StopRequest.simulate(SIGTERM)
    defer { StopRequest.simulate(0) }
    #expect(try run.run() == .stopped(signal: SIGTERM))
  }

  @Test func theDecisionIsInTheFolderAndInTheLog() throws {
    let out = temporaryFolder() + "/run"
    #expect(try run(config(), to: out, timing: timing).run() == .finished)
    #expect(try RunFolder.config(out) == config { $0.steps = 9 })
    #expect(steps(out) == Array(1...9))
    #expect(notes(out) == ["measured: 3.000 s a step, 0.00 s a checkpoint; 1.0 s before the first step"])
  }

  @Test func aContinuedRunKeepsItsStepsAndEqualsTheUnbrokenOne() throws {
    let (broken, unbroken) = (temporaryFolder() + "/run", temporaryFolder() + "/run")
    #expect(try run(config(), to: unbroken, timing: timing).run() == .finished)
    try stopped(run(config(), to: broken, timing: timing))
    // Times have changed, and do not count any more.
    let rest = try run(config(), to: broken, timing: RunTiming(beforeSteps: 1, step: 1))
    #expect(rest.config.steps == 9)
    #expect(try rest.run() == .finished)
    #expect(notes(broken).isEmpty)
    for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
      let place = "/checkpoints/step-9/\(file)"
      let (a, b) = (
        FileManager.default.contents(atPath: broken + place),
        FileManager.default.contents(atPath: unbroken + place)
      )
      #expect(a != nil && a == b, "\(file)")
    }
    let error = #expect(throws: UsageError.self) { try run(config { $0.minutes = 1 }, to: broken) }
    #expect(error?.description.contains("minutes is 0.5 there and 1.0 here") == true)
  }

  /// The same settings with the steps that were decided, and no rehearsal.
  @Test func whatIsMeasuredLeavesNoTraceInTheRun() throws {
    let (measured, given) = (temporaryFolder() + "/run", temporaryFolder() + "/run")
    let settings = try config { ($0.minutes, $0.knnTrain, $0.knnTest) = (1, runs.data, runs.data) }
    let first = try run(settings, to: measured)
    let steps = try #require(first.config.steps)
    #expect(steps > 0)
    try stopped(first)
    var decided = settings
    decided.steps = steps
    try stopped(run(decided, to: given))
    #expect(try model(measured).count > 50 && model(measured) == model(given))
    #expect(try Checkpoint.load(measured).state == Checkpoint.load(given).state)
    let found = try FileManager.default.contentsOfDirectory(atPath: measured)
    #expect(!found.contains(".rehearsal"))
    #expect(notes(measured).count == 1 && notes(measured)[0].contains(" s a kNN measurement; "))
  }

  @Test func minutesThatAreTooFewLeaveNoFolder() throws {
    let out = temporaryFolder() + "/run"
    let error = #expect(throws: UsageError.self) { try run(config { $0.minutes = 0.001 }, to: out) }
    #expect(error?.description.hasPrefix("--minutes 0.001: ") == true)
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  @Test func allRanksTakeTheDecisionOfTheFirst() async throws {
    let out = temporaryFolder() + "/run"
    let settings = try config { $0.minutes = 1 }
    StopRequest.simulate(SIGTERM)
    defer { StopRequest.simulate(0) }
    let found = try await withRankContexts(2) { [runs] context in
      let run = try Pretraining(
        settings, data: runs.data, out: out, context: context, console: Console(quiet: true, silent: true))
      let outcome = try run.run()
      return [run.config.steps ?? 0, outcome == .stopped(signal: SIGTERM) ? 1 : 0]
    }
    #expect(found[0] == found[1] && found[0][0] > 0 && found[0][1] == 1)
  }

  /// The minutes of a run that is carried on are its own.
  @Test func aCarriedRunHasItsMinutesFromItsStart() throws {
    let (old, new) = (temporaryFolder() + "/run", temporaryFolder() + "/run")
    #expect(try run(config(), to: old, timing: timing).run() == .finished)
    let carrying = try RunConfig(carrying: old, to: new)
    #expect(carrying.minutes == 0.5 && carrying.steps == 9)
    let longer = try KeyArguments(["--minutes", "0.25"]).applied(to: carrying)
    // 15 s without a reserve of 1 s, 2 s before the steps.
    let more = RunTiming(beforeSteps: 2, step: 3)
    #expect(try run(longer, to: new, timing: more, resume: .from(old)).run() == .finished)
    #expect(steps(new) == Array(10...13))
    #expect(notes(new).contains("minutes 0.5 → 0.25") && notes(new).count == 3)
    // As the command that is given again.
    let again = try KeyArguments(["--minutes", "0.25"]).applied(to: RunConfig(carrying: old, to: new))
    #expect(try run(again, to: new, resume: .from(old)).config.steps == 13)
  }
}
