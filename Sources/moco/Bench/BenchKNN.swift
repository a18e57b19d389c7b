import ArgumentParser
import Data
import Evaluation
import Files
import Foundation
import Torch
import Training

struct BenchKNN: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "knn", abstract: "Time a kNN classification of random features.")

  @OptionGroup var sizes: SearchSizes
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
    try sizes.check()
    let device = try device.resolve()
    let generator = Generator(seed: 1)
    func images(_ count: Int) throws -> LabelledFeatures {
      try LabelledFeatures(
        features: withTorchErrors { .normal([count, sizes.width], using: generator).to(device) },
        labels: (0..<count).map { $0 % 10 })
    }
    let (known, wanted) = (try images(sizes.bank), try images(sizes.queries))
    let started = ContinuousClock.now
    _ = try WeightedKNN(k: sizes.k, on: device).evaluate(bank: known, queries: wanted, classes: 10)
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
      "\(sizes.queries) queries among \(sizes.bank) rows of \(sizes.width), k = \(sizes.k), \(device), "
        + counted(Runtime.threads, "thread"))
    print("\(fixed(seconds, 2)) s, at most \(fixed(peak, 0)) MiB of memory")
  }
}
