import Foundation
import Images
import Testing

/// `moco ablate` as a user runs it, on small images.
@Suite(.serialized) struct AblateCommandTests {
  private let data: String
  private let out = temporaryFolder() + "/ablation"

  init() throws { data = try makeImageFolder(images: 24) }

  private func spec(_ text: String) throws -> String {
    let path = temporaryFolder() + "/spec.yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  private func arguments(_ spec: String, _ more: String...) -> [String] {
    [
      "ablate", spec, data, "--knn-test", data, "--out", out, "--arch", "resnet8", "--image-size", "16",
      "--batch-size", "8", "--bn-splits", "2", "--moco-k", "12", "--device", "cpu", "--workers", "1",
      "--epochs",
      "2", "--log-every", "1",
    ] + more
  }

  private func text(_ file: String) throws -> String {
    try String(contentsOfFile: "\(out)/\(file)", encoding: .utf8)
  }

  private func logs() throws -> [String: Data] {
    let runs = try FileManager.default.contentsOfDirectory(atPath: out + "/runs")
    return try Dictionary(
      uniqueKeysWithValues: runs.map {
        ($0, try Data(contentsOf: URL(fileURLWithPath: "\(out)/runs/\($0)/log.jsonl")))
      })
  }

  @Test func aKilledAblationContinuesAndRepeatsNothing() throws {
    let spec = try spec("title: Momentum\nrecipe: cifar\nseeds: [1, 2]\ngrid: {moco-m: [0, 0.99]}")
    let process = try Program.start(arguments(spec))
    let third = out + "/runs/moco-m=0.99,seed=1/log.jsonl"
    while process.isRunning, !FileManager.default.fileExists(atPath: third) { usleep(1_000) }
    try #require(process.isRunning, "the ablation came to its end before it was killed")
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    let before = try logs()
    #expect(try text("results.md").contains("| 0.99 | – | – | – | 0 |"))

    let rest = try Program.run(arguments(spec))
    #expect(rest.code == 0, "\(rest.errors)")
    #expect(rest.errors.contains("Momentum: 4 runs, 2 of them done") && !rest.errors.contains("run 2 of 4"))
    #expect(rest.output == "table: \(out)/results.md\n")
    let after = try logs()
    #expect(after.count == 4)
    for run in ["moco-m=0,seed=1", "moco-m=0,seed=2"] { #expect(after[run] == before[run]) }

    let table = try text("results.md")
    #expect(
      table.hasPrefix("# Momentum\n\n| moco-m | kNN top-1, % | positive key found, % | loss | runs |\n"))
    #expect(table.split(separator: "\n").count { $0.contains(" ± ") && $0.hasSuffix("| 2 |") } == 2)
    #expect(table.contains("Seeds 1, 2; mean ± standard deviation of the sample."))
    #expect(try text("results.csv").split(separator: "\n").count { $0.contains(",finished,") } == 4)
    for name in ["knn", "contrast", "knn-course", "contrast-course"] {
      #expect(try text(name + ".svg").contains("0.99"))
      let picture = try ImageDecoder().decode(contentsOf: "\(out)/\(name).png")
      #expect(picture.width >= 800 && picture.height == 600)
    }

    let again = try Program.run(arguments(spec))
    #expect(again.code == 0 && again.errors == "Momentum: 4 runs, 4 of them done\n", "\(again.errors)")
    #expect(try logs() == after)
  }

  @Test func aRunThatDivergesIsAResult() throws {
    let spec = try spec("title: Rates\nrecipe: cifar\ngrid: {lr: [1e30, 0.03]}")
    let result = try Program.run(arguments(spec))
    #expect(result.code == 0 && result.errors.contains("fail: training diverged"), "\(result.errors)")
    let table = try text("results.md")
    #expect(table.contains("| 1e30 | fail | fail | fail | 0 |") && table.contains("| 0.03 | "))
    #expect(table.contains("fail: the loss became infinite."))
    #expect(try text("results.csv").contains(",failed at step "))
    #expect(try text("knn.svg").contains(">fail</text>"))
    let list = try Program.run(arguments(spec, "--list"))
    #expect(list.output.contains("lr 1e30, seed 1: failed at step ") && list.output.contains(": done, kNN "))
    let again = try Program.run(arguments(spec))
    #expect(again.code == 0 && again.errors == "Rates: 2 runs, 2 of them done\n", "\(again.errors)")
  }

  @Test func twoProcessesShareAnAblation() throws {
    let spec = try spec("title: Shared\nrecipe: cifar\nseeds: [1, 2, 3]\ngrid: {moco-t: [0.1, 0.2]}")
    let other = try Program.start(arguments(spec, "--quiet"))
    let mine = try Program.run(arguments(spec))
    other.waitUntilExit()
    #expect(mine.code == 0 && other.terminationStatus == 0, "\(mine.errors)")
    let last = try Program.run(arguments(spec))
    #expect(last.code == 0 && last.errors == "Shared: 6 runs, 6 of them done\n", "\(last.errors)")
    for log in try logs().values {
      let starts = String(decoding: log, as: UTF8.self).components(separatedBy: #""event":"start""#).count - 1
      #expect(starts == 1)
    }
  }

  @Test func aSignalStopsAfterSaving() throws {
    let spec = try spec("title: Stopped\nrecipe: cifar\nsettings: {steps: 100000}\ngrid: {moco-t: [0.1]}")
    let process = try Program.start(arguments(spec, "--epochs", "100000"))
    let log = out + "/runs/moco-t=0.1,seed=1/log.jsonl"
    while process.isRunning, !((try? text(log)) ?? "").contains("step"),
      !FileManager.default.fileExists(atPath: log)
    { usleep(1_000) }
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationStatus == 143)
  }

  @Test func whatIsWrongIsSaidInOneLine() throws {
    let mine = try spec("title: T\nrecipe: cifar\ngrid: {moco-t: [0.1]}")
    let done = try Program.run(arguments(mine))
    #expect(done.code == 0, "\(done.errors)")
    let folder = "\(out)/runs/moco-t=0.1,seed=1"
    let cases: [([String], String)] = [
      (
        arguments(mine, "--seed", "3"), "moco: --seed: an ablation has several; give --seeds 1,2,3.\n"
      ),
      (
        ["ablate", mine, data, "--out", out],
        "moco: --knn-test is missing: labelled images on which every run is measured.\n"
      ),
      (
        arguments(mine, "--lr", "0.5"),
        "moco: \(folder): cell moco-t 0.1 was run with other settings (lr is 0.06 there and 0.5 here). "
          + "Choose another --out, or repeat that command's options to continue it.\n"
      ),
    ]
    for (command, message) in cases {
      let result = try Program.run(command)
      #expect(result.code == 2 && result.errors == message, "\(result.code) \(result.errors)")
    }
    var elsewhere = arguments(mine)
    elsewhere[2] = try makeImageFolder(images: 26)
    let other = try Program.run(elsewhere)
    #expect(
      other.errors
        == "moco: \(folder): cell moco-t 0.1 was run on other images. Choose another --out, or give that command's DATA.\n"
    )
  }
}
