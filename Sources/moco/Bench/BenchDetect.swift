import ArgumentParser

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
    try DetectBenchmark(which: which, warmup: warmup, steps: steps).run().show(which.rawValue, json: json)
  }
}

extension DetectBenchmark.Case: ExpressibleByArgument {}
