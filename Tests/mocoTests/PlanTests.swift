import Foundation
import TestSupport
import Testing

/// `moco plan` from a measurement in a file: what it prints does not depend on the machine.
@Suite struct PlanTests {
  private let keys = ["--arch", "resnet8", "--image-size", "16", "--moco-k", "64", "--device", "cpu"]

  private struct Report: Decodable {
    struct Estimate: Decodable { let ranks: Int, secondsPerStep: Double, sent: [Item], bottleneck: String }
    struct Item: Decodable { let name: String, bytes: Double }
    struct Row: Decodable { let ranks: Int, estimate: Estimate?, impossible: String? }
    struct Footprint: Decodable { let checkpoint: Int }
    let totalSteps: Int
    let estimate: Estimate
    let footprint: Footprint
    let table: [Row]
    let assumptions: [String]
  }

  private func measurement() throws -> String {
    let bench = ["bench", "step", "--recipe", "cifar", "--batch-size", "8", "--bn-splits", "2", "--json"]
    let result = try Program.run(bench + keys + ["--warmup", "0", "--steps", "1"])
    #expect(result.code == 0, "\(result.errors)")
    let path = temporaryFolder() + "/step.json"
    try result.output.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test func aMeasurementFromAFileIsTheBasisOfAllRanks() throws {
    let measured = try measurement()
    let plan = [
      "plan", "cifar", "--images", "50000", "--ranks", "3", "--bn-splits", "6", "--batch-size", "48",
    ]
    let result = try Program.run(plan + keys + ["--measured", measured, "--json"])
    #expect(result.code == 0, "\(result.errors)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let report = try decoder.decode(Report.self, from: Data(result.output.utf8))
    #expect(report.totalSteps == 200 * (50_000 / 48) && report.footprint.checkpoint > 0)
    #expect(report.estimate.ranks == 3 && report.estimate.secondsPerStep > 0)
    #expect(report.table.map(\.ranks) == [1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
    #expect(report.table.filter { $0.estimate != nil }.map(\.ranks) == [1, 2, 3, 8, 16])
    #expect(report.table[3].impossible?.contains("4 ranks cannot share 6 groups equally") == true)
    #expect(report.assumptions.contains { $0.hasPrefix("Loading was not measured") })

    let text = try Program.run(plan + keys + ["--measured", measured])
    #expect(text.output.contains("\nbottleneck                  compute\n"), "\(text.output)")
    #expect(text.output.contains("\ntime, estimated\n") && text.output.contains("\nassumed\n- The step was"))

    let other = try Program.run(["plan", "v1", "--images", "50000", "--ranks", "8", "--measured", measured])
    #expect(other.code == 2)
    #expect(
      other.errors
        == "moco: --measured \(measured): it is of resnet8 at 16 pixels in float32, not of resnet50 at 224 in float32. "
        + "Write one with `moco bench step --recipe v1 --batch-size 8 --json`.\n")
  }

  @Test func wrongUseIsNamed() throws {
    func errors(_ arguments: String...) throws -> String {
      let result = try Program.run(["plan", "v1", "--images", "50000", "--ranks", "8"] + arguments)
      #expect(result.code == 2)
      return result.errors
    }
    let hint = "Write one with `moco bench step --recipe v1 --batch-size 8 --json`."
    #expect(
      try errors("--measured", "none.json")
        == "moco: --measured none.json: the file cannot be read. \(hint)\n")
    #expect(
      try errors("--network", "fast").hasPrefix(
        "moco: The value 'fast' is invalid for '--network <speed>': give a speed such as 25Gbit/s or 3GB/s."))
    #expect(
      try errors("--bn-splits", "12").hasPrefix(
        "moco: --bn-splits 12: 8 ranks cannot share 12 groups equally."))
  }
}
