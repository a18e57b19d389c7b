import Foundation
import TestSupport
import Testing

/// Small images and short runs for `moco ablate`.
struct SmallAblation {
  let data: String
  let out = temporaryFolder() + "/ablation"

  init() throws { data = try makeImageFolder(images: 24) }

  func spec(_ text: String) throws -> String {
    let path = temporaryFolder() + "/spec.yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  func arguments(_ spec: String, _ more: String...) -> [String] {
    [
      "ablate", spec, data, "--knn-test", data, "--out", out, "--arch", "resnet8", "--image-size", "16",
      "--batch-size", "8", "--bn-splits", "2", "--moco-k", "12", "--device", "cpu", "--workers", "1",
      "--epochs",
      "2", "--log-every", "1",
    ] + more
  }

  func text(_ file: String) throws -> String {
    try String(contentsOfFile: "\(out)/\(file)", encoding: .utf8)
  }
}

/// `moco ablate` as a user runs it.
@Suite(.serialized) struct AblateCommandTests {
  private let small: SmallAblation
  private var out: String { small.out }

  init() throws { small = try SmallAblation() }

  private func logs() throws -> [String: Data] {
    let runs = try FileManager.default.contentsOfDirectory(atPath: out + "/runs")
    return try Dictionary(
      uniqueKeysWithValues: runs.map {
        ($0, try Data(contentsOf: URL(fileURLWithPath: "\(out)/runs/\($0)/log.jsonl")))
      })
  }

  @Test func aKilledAblationContinuesAndRepeatsNothing() throws {
    let spec = try small.spec("title: Momentum\nrecipe: cifar\nseeds: [1, 2]\ngrid: {moco-m: [0, 0.99]}")
    let process = try Program.start(small.arguments(spec))
    let third = out + "/runs/moco-m=0.99,seed=1/log.jsonl"
    while process.isRunning, !FileManager.default.fileExists(atPath: third) { usleep(1_000) }
    try #require(process.isRunning, "the ablation came to its end before it was killed")
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    let before = try logs()
    #expect(try small.text("results.md").contains("| 0.99 | – | – | – | 0 |"))

    let rest = try Program.run(small.arguments(spec))
    #expect(rest.code == 0, "\(rest.errors)")
    #expect(rest.errors.contains("Momentum: 4 runs, 2 of them done") && !rest.errors.contains("run 2 of 4"))
    #expect(rest.output == "table: \(out)/results.md\n")
    let after = try logs()
    #expect(after.count == 4)
    for run in ["moco-m=0,seed=1", "moco-m=0,seed=2"] { #expect(after[run] == before[run]) }

    let table = try small.text("results.md")
    #expect(
      table.hasPrefix("# Momentum\n\n| moco-m | kNN top-1, % | positive key found, % | loss | runs |\n"))
    #expect(table.split(separator: "\n").count { $0.contains(" ± ") && $0.hasSuffix("| 2 |") } == 2)
    #expect(table.contains("Seeds 1, 2; mean ± standard deviation of the sample. kNN: all 23 images vote,"))
    #expect(table.hasSuffix("\n\nMade by\n\n    moco \(small.arguments(spec).joined(separator: " "))\n"))
    #expect(try small.text("results.csv").split(separator: "\n").count { $0.contains(",finished,") } == 4)
    for name in ["knn", "contrast", "knn-course", "contrast-course"] {
      #expect(try small.text(name + ".svg").contains("0.99"))
    }

    let again = try Program.run(small.arguments(spec))
    #expect(again.code == 0 && again.errors == "Momentum: 4 runs, 4 of them done\n", "\(again.errors)")
    #expect(try logs() == after)
  }

  @Test func aRunThatDivergesIsAResult() throws {
    let spec = try small.spec("title: Rates\nrecipe: cifar\ngrid: {lr: [1e30, 0.03]}")
    let result = try Program.run(small.arguments(spec))
    #expect(result.code == 0 && result.errors.contains("fail: training diverged"), "\(result.errors)")
    let table = try small.text("results.md")
    #expect(table.contains("| 1e30 | fail | fail | fail | 0, 1 failed |") && table.contains("| 0.03 | "))
    #expect(table.contains("Failed: the loss became infinite or not a number."))
    #expect(try small.text("results.csv").contains(",failed at step "))
    #expect(try small.text("knn.svg").contains(">fail</text>"))
    let list = try Program.run(small.arguments(spec, "--list"))
    #expect(list.output.contains("lr 1e30, seed 1: failed at step ") && list.output.contains(": done, kNN "))
    let again = try Program.run(small.arguments(spec))
    #expect(again.code == 0 && again.errors == "Rates: 2 runs, 2 of them done\n", "\(again.errors)")
  }

  @Test func twoProcessesShareAnAblation() throws {
    let spec = try small.spec("title: Shared\nrecipe: cifar\nseeds: [1, 2, 3]\ngrid: {moco-t: [0.1, 0.2]}")
    let other = try Program.start(small.arguments(spec, "--quiet"))
    let mine = try Program.run(small.arguments(spec))
    other.waitUntilExit()
    #expect(mine.code == 0 && other.terminationStatus == 0, "\(mine.errors)")
    let last = try Program.run(small.arguments(spec))
    #expect(last.code == 0 && last.errors == "Shared: 6 runs, 6 of them done\n", "\(last.errors)")
    for log in try logs().values {
      let starts = String(decoding: log, as: UTF8.self).components(separatedBy: #""event":"start""#).count - 1
      #expect(starts == 1)
    }
  }

  @Test func aSignalStopsAfterSaving() throws {
    let spec = try small.spec(
      "title: Stopped\nrecipe: cifar\nsettings: {steps: 100000}\ngrid: {moco-t: [0.1]}")
    let process = try Program.start(small.arguments(spec, "--epochs", "100000"))
    let log = out + "/runs/moco-t=0.1,seed=1/log.jsonl"
    while process.isRunning, !FileManager.default.fileExists(atPath: log) { usleep(1_000) }
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationStatus == 143)
    let saved = try FileManager.default.contentsOfDirectory(
      atPath: "\(out)/runs/moco-t=0.1,seed=1/checkpoints")
    #expect(saved.contains { $0.hasPrefix("step-") })
    #expect(
      try Program.run(small.arguments(spec, "--epochs", "100000", "--list")).output.hasSuffix(
        "seed 1: begun\n"))
  }

  @Test func whatIsWrongIsSaidInOneLine() throws {
    let mine = try small.spec("title: T\nrecipe: cifar\ngrid: {moco-t: [0.1]}")
    let done = try Program.run(small.arguments(mine))
    #expect(done.code == 0, "\(done.errors)")
    let folder = "\(out)/runs/moco-t=0.1,seed=1"
    let cases: [([String], String)] = [
      (
        small.arguments(mine, "--seed", "3"), "moco: --seed: an ablation has several; give --seeds 1,2,3.\n"
      ),
      (
        ["ablate", mine, small.data, "--out", out],
        "moco: --knn-test is missing: labelled images on which every run is measured.\n"
      ),
      (
        small.arguments(mine, "--lr", "0.5"),
        "moco: \(folder): cell moco-t 0.1 was run with other settings (lr is 0.06 there and 0.5 here). "
          + "Choose another --out, or repeat that command's options to continue it.\n"
      ),
    ]
    for (command, message) in cases {
      let result = try Program.run(command)
      #expect(result.code == 2 && result.errors == message, "\(result.code) \(result.errors)")
    }
    var elsewhere = small.arguments(mine)
    elsewhere[2] = try makeImageFolder(images: 26)
    let other = try Program.run(elsewhere)
    #expect(
      other.errors
        == "moco: \(folder): cell moco-t 0.1 was run on other images. Choose another --out, or give that command's DATA.\n"
    )
  }
}
