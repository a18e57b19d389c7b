import Foundation
import TestSupport
import Testing

/// `--minutes` as a user gives it.
@Suite(.serialized) struct MinutesCommandTests {
  private let data: String
  private let out = temporaryFolder() + "/run"

  init() throws { data = try makeImageFolder(images: 24) }

  private func command(_ more: String...) -> [String] {
    [
      "pretrain", data, "--out", out, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "8",
      "--batch-size", "4", "--moco-k", "8", "--bn-splits", "1", "--device", "cpu", "--workers", "1",
      "--log-every", "1",
    ] + more
  }

  /// The lines of `config.yaml` with minutes and steps.
  private var decided: [Substring] {
    let text = (try? String(contentsOfFile: out + "/config.yaml", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").filter { $0.hasPrefix("minutes:") || $0.hasPrefix("steps:") }
  }

  private var lastStep: Int {
    let log = (try? String(contentsOfFile: out + "/log.jsonl", encoding: .utf8)) ?? ""
    return log.split(separator: "\n").count { $0.contains(#""event":"step""#) }
  }

  @Test func aKilledRunKeepsWhatWasDecided() throws {
    let killed = try Program.start(command("--minutes", "1", "--save-every", "2"))
    while killed.isRunning, lastStep < 5 { usleep(2_000) }
    try #require(killed.isRunning)
    kill(killed.processIdentifier, SIGKILL)
    killed.waitUntilExit()
    let before = decided
    #expect(before.count == 2 && before.contains { $0.hasPrefix("minutes: 1") })
    let errors = Pipe()
    let rest = try Program.start(command("--minutes", "1", "--save-every", "2"), errors: errors)
    while rest.isRunning, lastStep < 9 { usleep(2_000) }
    kill(rest.processIdentifier, SIGTERM)
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    rest.waitUntilExit()
    #expect(rest.terminationStatus == 143, "\(said)")
    #expect(decided == before && said.contains("resumed   after step "))
    let steps = before.first { $0.hasPrefix("steps:") }?.dropFirst("steps: ".count) ?? "?"
    #expect(said.contains("time      1.0 minutes: \(steps) steps, ") && !said.contains("measured: "))
  }

  @Test func lengthsThatContradictEachOtherAreSaidInOneLine() throws {
    let result = try Program.run(command("--minutes", "1", "--epochs", "3"))
    #expect(
      result.code == 2
        && result.errors
          == "moco: --minutes and --epochs contradict each other: the number of steps follows from the minutes. Give one "
          + "of them.\n",
      "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: out))
  }
}
