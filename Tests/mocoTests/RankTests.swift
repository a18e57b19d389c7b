import Foundation
import TestSupport
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

  /// Four groups of four images, on one device and on four ranks: the same numbers but for rounding.
  @Test func fourRanksNormaliseTheImagesThatOneDeviceDoes() throws {
    let options = small + ["--batch-size", "16", "--bn-splits", "4", "--lr", "0.01", "--epochs", "4"]
    let alone = temporaryFolder() + "/run"
    #expect(try Program.run(["pretrain", data, "--out", alone] + options).code == 0)
    let result = try Program.run(["pretrain", data, "--out", out] + options + ["--nproc", "4"])
    #expect(result.code == 0, "\(result.errors)")
    #expect(result.errors.contains("groups    batch normalisation in 4 groups of 4 images; the published"))
    let (ours, theirs) = (steps(out), steps(alone))
    #expect(ours.map(\.step) == Array(1...8) && theirs.map(\.step) == Array(1...8))
    for (one, other) in zip(ours, theirs) {
      #expect(abs(one.loss - other.loss) < 1e-3, "step \(one.step): \(one.loss), alone \(other.loss)")
    }
  }

  /// An older version wrote no `bn-splits-per`, and counted groups on each rank.
  @Test func aRunOfAnOlderVersionKeepsItsGroups() throws {
    let options = small + ["--batch-size", "16", "--bn-splits", "2", "--epochs", "100", "--nproc", "2"]
    let unbroken = temporaryFolder() + "/run"
    for (folder, last) in [(unbroken, "6"), (out, "3")] {
      let result = try Program.run(
        ["pretrain", data, "--out", folder, "--steps", last, "--bn-splits-per", "rank"] + options)
      #expect(result.code == 0, "\(result.errors)")
    }
    let config = out + "/config.yaml"
    let lines = try String(contentsOfFile: config, encoding: .utf8).split(separator: "\n")
    try lines.filter { !$0.hasPrefix("bn-splits-per") }.joined(separator: "\n").write(
      toFile: config, atomically: true, encoding: .utf8)
    let result = try Program.run(["pretrain", data, "--out", out, "--steps", "6"] + options)
    #expect(result.code == 0, "\(result.errors)")
    #expect(result.errors.contains("in 4 groups of 4 images, 2 on each rank; the published"))
    #expect(steps(out).map(\.loss) == steps(unbroken).map(\.loss))
    // The groups of the batch give other numbers.
    let new = temporaryFolder() + "/run"
    #expect(try Program.run(["pretrain", data, "--out", new, "--steps", "2"] + options).code == 0)
    #expect(steps(new).map(\.loss) != Array(steps(unbroken).map(\.loss).prefix(2)))
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
    let found = signal == SIGKILL ? "died of signal 9" : "died or stopped answering"
    #expect(said.contains("moco: rank 2 of 4 \(found)"), "\(said)")
    #expect(said.split(separator: "\n").filter { $0.hasPrefix("moco: ") }.count == 1, "\(said)")
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

  /// On most machines a step takes longer than a rank's patience: the other is then in the middle of its own.
  @Test func aRankKilledInTheMiddleOfALongStepIsNamed() throws {
    let errors = Pipe()
    let launcher = try Program.start(
      [
        "pretrain", data, "--out", out, "--recipe", "cifar", "--image-size", "96", "--batch-size", "32",
        "--bn-splits", "1", "--moco-k", "64", "--device", "cpu", "--workers", "1", "--log-every", "1",
        "--epochs", "99",
        "--nproc", "2", "--timeout", "60",
      ], errors: errors)
    let reader = Reader(errors)
    while launcher.isRunning, steps(out).isEmpty { usleep(10_000) }
    usleep(500_000)
    let made = steps(out).count
    let victim = try #require(try children(of: launcher.processIdentifier).first { rank(of: $0) == "1" })
    let began = ContinuousClock.now
    kill(victim, SIGKILL)
    launcher.waitUntilExit()
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    #expect(launcher.terminationStatus == 1 && seconds < 60 + 5, "timeout + 5 s")
    #expect(reader.text.contains("moco: rank 1 of 2 died of signal 9"), "\(reader.text)")
    #expect(steps(out).count <= made + 1, "only the step under way can have been ended")
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

  /// As a terminal sends it: to every process of the group.
  @Test func ctrlCSavesOnceAndLeavesNobodyBehind() throws {
    let errors = Pipe()
    let launcher = try Program.start(
      ["pretrain", data, "--out", out] + small
        + ["--bn-splits", "1", "--epochs", "100000", "--save-every", "100000", "--nproc", "2"], errors: errors
    )
    let reader = Reader(errors)
    while launcher.isRunning, steps(out).count < 3 { usleep(10_000) }
    let ranks = try children(of: launcher.processIdentifier)
    let group = getpgid(launcher.processIdentifier)
    try #require(
      ranks.count == 2 && group == launcher.processIdentifier, "a group of its own, or this test goes too")
    kill(-group, SIGINT)
    launcher.waitUntilExit()
    #expect(launcher.terminationStatus == 130, "\(reader.text)")
    #expect(reader.text.components(separatedBy: "everything is saved").count == 2, "\(reader.text)")
    #expect(!reader.text.contains("moco: rank"), "\(reader.text)")
    for process in ranks { #expect(!isAlive(process), "rank \(process) was left behind") }
    let ends = RunLog.read(out + "/log.jsonl").compactMap { if case .end(let end) = $0 { end } else { nil } }
    #expect(ends.count == 1 && ends.first?.status == .stopped)
    let saved = try FileManager.default.contentsOfDirectory(atPath: out + "/checkpoints")
    #expect(saved.filter { $0.hasPrefix("step-") } == ["step-\(ends.first?.step ?? 0)"])
    #expect(steps(out).last?.step == ends.first?.step)
  }

  @Test func badImagesOfEveryRankAreListed() throws {
    let names = [
      "class0/004.png", "class0/018.png", "class0/030.png", "class1/005.png", "class1/021.png",
      "class1/037.png",
    ]
    for name in names { try Data("no image".utf8).write(to: URL(fileURLWithPath: "\(data)/\(name)")) }
    // One epoch, which every image is in; saved after two, four and five steps.
    let result = try Program.run(
      ["pretrain", data, "--out", out] + small
        + ["--bn-splits", "1", "--epochs", "1", "--save-every", "2", "--max-bad", "50%", "--nproc", "2"])
    #expect(result.code == 0, "\(result.errors)")
    let list = try String(contentsOfFile: out + "/bad-files.txt", encoding: .utf8).split(separator: "\n")
    #expect(list.map { String($0.prefix { $0 != ":" }) }.sorted() == names, "\(list)")
    #expect(
      result.errors.contains("images that cannot be read: 6. Others took their places"), "\(result.errors)")
  }

  @Test func aFailureOfOneRankIsEveryRanksWords() throws {
    #expect(
      try Program.run(["pretrain", data, "--out", out] + small + ["--bn-splits", "1", "--steps", "1"]).code
        == 0)
    let result = try Program.run(
      ["pretrain", data, "--out", out] + small + ["--bn-splits", "2", "--nproc", "2", "--timeout", "10"])
    #expect(result.code == 2 && result.errors.contains("the folder holds another run"), "\(result.errors)")
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
