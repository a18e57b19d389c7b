import Foundation
import Testing
import Training

/// Several ranks as a user starts them. Serialized: each run wants the cores.
@Suite(.serialized) struct RankRuns {
  private let data: String
  private let out = temporaryFolder() + "/run"

  init() throws { data = try makeImageFolder(images: 40) }

  private var small: [String] {
    [
      "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16", "--batch-size", "8", "--moco-k", "12",
      "--device", "cpu", "--workers", "1", "--log-every", "1",
    ]
  }

  private func steps(_ run: String) -> [RunEvent.Step] {
    RunLog.read(run + "/log.jsonl").compactMap { if case .step(let step) = $0 { step } else { nil } }
  }

  /// With SyncBN the ranks' number changes nothing but rounding, which moves these losses by less than 1e-3 in 15
  /// steps; other images would move them by more than 0.05.
  @Test func twoThenFourThenTwoRanksSeeTheImagesThatOneSees() throws {
    let options = small + ["--bn-splits", "1", "--lr", "0.01", "--epochs", "3"]
    let alone = temporaryFolder() + "/run"
    #expect(try Program.run(["pretrain", data, "--out", alone] + options).code == 0)
    for (ranks, last) in [("2", "5"), ("4", "10"), ("2", "15")] {
      let result = try Program.run(
        ["pretrain", data, "--out", out] + options + ["--sync-bn", "--nproc", ranks, "--steps", last])
      #expect(result.code == 0, "\(result.errors)")
    }
    let (ours, theirs) = (steps(out), steps(alone))
    #expect(ours.map(\.step) == Array(1...15) && theirs.map(\.step) == Array(1...15))
    for (one, other) in zip(ours, theirs) {
      #expect(abs(one.loss - other.loss) < 1e-3, "step \(one.step): \(one.loss), alone \(other.loss)")
    }
  }

  @Test(arguments: [SIGKILL, SIGSTOP])
  func aRankThatDiesOrHangsEndsAllAndIsNamed(signal: Int32) throws {
    let errors = Pipe()
    let launcher = try Program.start(
      ["pretrain", data, "--out", out] + small
        + ["--bn-splits", "1", "--epochs", "100000", "--save-every", "3", "--nproc", "4", "--timeout", "5"],
      errors: errors)
    let reader = Reader(errors)
    while launcher.isRunning, steps(out).count < 5 { usleep(10_000) }
    let ranks = try children(of: launcher.processIdentifier)
    try #require(ranks.count == 4 && launcher.isRunning, "\(ranks) \(reader.text)")
    let victim = try #require(ranks.first { rank(of: $0) == "2" })

    let began = ContinuousClock.now
    kill(victim, signal)
    launcher.waitUntilExit()
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    #expect(launcher.terminationStatus == 1)
    #expect(seconds < 5 + 5, "timeout + 5 s")
    let said = reader.text
    #expect(said.contains("moco: rank 2 of 4 died or stopped answering"), "\(said)")
    for process in ranks { #expect(kill(process, 0) != 0, "rank \(process) was left behind") }
    let inspected = try Program.run("inspect", out)
    #expect(inspected.code == 0 && inspected.output.contains("every tensor agrees"), "\(inspected.errors)")

    // The same command goes on.
    let last = try #require(steps(out).last).step + 4
    let again = try Program.run(
      ["pretrain", data, "--out", out] + small
        + [
          "--bn-splits", "1", "--epochs", "100000", "--save-every", "3", "--nproc", "2", "--steps", "\(last)",
        ])
    #expect(again.code == 0 && again.errors.contains("resumed"), "\(again.errors)")
  }

  @Test func ranksDieWithTheirLauncher() throws {
    let launcher = try Program.start(
      ["pretrain", data, "--out", out] + small + ["--bn-splits", "1", "--epochs", "100000", "--nproc", "2"])
    while launcher.isRunning, steps(out).count < 2 { usleep(10_000) }
    let ranks = try children(of: launcher.processIdentifier)
    #expect(ranks.count == 2)
    kill(launcher.processIdentifier, SIGKILL)
    launcher.waitUntilExit()
    var waited = 0
    while ranks.contains(where: { isAlive($0) }), waited < 1000 {
      usleep(10_000)
      waited += 1
    }
    for process in ranks { #expect(!isAlive(process), "rank \(process) was left behind") }
  }

  @Test func aSignalToTheLauncherSavesAndStopsAllRanks() throws {
    let errors = Pipe()
    let launcher = try Program.start(
      ["pretrain", data, "--out", out] + small + ["--bn-splits", "1", "--epochs", "100000", "--nproc", "2"],
      errors: errors)
    let reader = Reader(errors)
    while launcher.isRunning, steps(out).count < 3 { usleep(10_000) }
    kill(launcher.processIdentifier, SIGTERM)
    launcher.waitUntilExit()
    #expect(launcher.terminationStatus == 143, "\(reader.text)")
    #expect(reader.text.contains("everything is saved"), "\(reader.text)")
    let inspected = try Program.run("inspect", out)
    #expect(inspected.code == 0 && inspected.output.contains("every tensor agrees"))
  }

  @Test func aFailureOfOneRankIsEveryRanksWords() throws {
    #expect(
      try Program.run(["pretrain", data, "--out", out] + small + ["--bn-splits", "1", "--steps", "1"]).code
        == 0)
    let result = try Program.run(
      ["pretrain", data, "--out", out] + small + ["--bn-splits", "2", "--nproc", "2", "--timeout", "10"])
    #expect(result.code == 1 && result.errors.contains("the folder holds another run"), "\(result.errors)")
    #expect(
      result.errors.split(separator: "\n").filter { $0.hasPrefix("moco: ") }.count == 1, "\(result.errors)")
  }

  // MARK: - Processes

  private func children(of parent: pid_t) throws -> [pid_t] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }.filter {
      let status = (try? String(contentsOfFile: "/proc/\($0)/status", encoding: .utf8)) ?? ""
      return status.contains("\nPPid:\t\(parent)\n")
    }
  }

  private func rank(of process: pid_t) -> String? {
    guard let variables = FileManager.default.contents(atPath: "/proc/\(process)/environ") else { return nil }
    return String(decoding: variables, as: UTF8.self).split(separator: "\0")
      .first { $0.hasPrefix("RANK=") }.map { String($0.dropFirst(5)) }
  }

  /// One that nobody has waited for yet is dead all the same.
  private func isAlive(_ process: pid_t) -> Bool {
    guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8) else {
      return false
    }
    return !status.contains("\nState:\tZ")
  }
}

/// Takes a pipe's text while it comes, so that the writer never waits.
private final class Reader: @unchecked Sendable {  // all state under the lock
  private let lock = NSLock()
  private var data = Data()

  init(_ pipe: Pipe) {
    pipe.fileHandleForReading.readabilityHandler = { [self] handle in
      let new = handle.availableData
      lock.withLock { data += new }
    }
  }

  var text: String {
    usleep(100_000)  // what was written last is on its way
    return lock.withLock { String(decoding: data, as: UTF8.self) }
  }
}
