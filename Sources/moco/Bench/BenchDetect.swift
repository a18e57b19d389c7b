import ArgumentParser
import Files

struct BenchDetect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "detect", abstract: "Time training steps of a detector on random images and boxes.",
    discussion: "c4: ResNet-18, short side 320, 4 images; fpn: ResNet-50, short side 480, 2 images.")

  @Option(name: .customLong("case"), help: "c4 or fpn.")
  var which = DetectBenchmark.Case.c4
  @Option(parsing: .unconditional, help: ArgumentHelp("Steps before those that are timed.", valueName: "n"))
  var warmup = 2
  @Option(parsing: .unconditional, help: ArgumentHelp("Steps that are timed.", valueName: "n"))
  var steps = 5
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    guard warmup >= 0, steps > 0 else {
      throw UsageError("--warmup \(warmup), --steps \(steps): at least 0 and 1.")
    }
    let result = try DetectBenchmark(which: which, warmup: warmup, steps: steps).run()
    if json { return try printJSON(result) }
    print("\(which.rawValue), \(result.threads) threads, LibTorch \(result.torch)")
    print(
      "\(fixed(result.secondsPerStep * 1000, 1)) ms a step, \(fixed(result.imagesPerSecond, 2)) images/s")
  }
}

extension DetectBenchmark.Case: ExpressibleByArgument {}
