import ArgumentParser
import Evaluation
import Files
import Foundation
import Torch
import Training

struct BenchKNN: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "knn", abstract: "Time a kNN classification of random features.")

  @Option(help: ArgumentHelp("Rows that are searched.", valueName: "n"))
  var bank = 50_000
  @Option(help: ArgumentHelp("Query rows.", valueName: "n"))
  var queries = 10_000
  @Option(help: ArgumentHelp("Numbers in a row.", valueName: "n"))
  var width = 512
  @Option(help: ArgumentHelp("Neighbours that vote.", valueName: "n"))
  var k = 200
  @Option(help: "auto, cpu, cuda, cuda:1 or mps.")
  var device = DeviceChoice.auto
  @Flag(help: "Print one JSON object.")
  var json = false

  struct Report: Codable {
    var seconds: Double
    var torch: String
    var threads: Int
    /// The peak memory of this process, in MiB.
    var peakMib: Double
  }

  func run() throws {
    for (name, value) in [("bank", bank), ("queries", queries), ("width", width), ("k", k)] where value < 1 {
      throw UsageError("--\(name) \(value): at least 1.")
    }
    let device = try device.resolve()
    let generator = Generator(seed: 1)
    func images(_ count: Int) throws -> LabelledFeatures {
      try LabelledFeatures(
        features: withTorchErrors { .normal([count, width], using: generator).to(device) },
        labels: (0..<count).map { $0 % 10 })
    }
    let (known, wanted) = (try images(bank), try images(queries))
    let started = ContinuousClock.now
    _ = try WeightedKNN(k: k, on: device).evaluate(bank: known, queries: wanted, classes: 10)
    let seconds = (ContinuousClock.now - started) / .seconds(1)
    var usage = rusage()
    getrusage(0, &usage)  // RUSAGE_SELF; its type depends on the system
    #if os(macOS)
      let peak = Double(usage.ru_maxrss) / 1_048_576  // ru_maxrss is in bytes there, in KiB elsewhere
    #else
      let peak = Double(usage.ru_maxrss) / 1024
    #endif
    let report = Report(
      seconds: seconds, torch: Runtime.version, threads: Runtime.threads, peakMib: peak)
    if json { return try printJSON(report) }
    print(
      "\(queries) queries among \(bank) rows of \(width), k = \(k), \(device), \(Runtime.threads) threads")
    print("\(fixed(seconds, 2)) s, at most \(fixed(peak, 0)) MiB of memory")
  }
}
