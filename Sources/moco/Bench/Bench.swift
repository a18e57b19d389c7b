import ArgumentParser

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure this machine.",
    subcommands: [
      BenchStep.self, BenchQueue.self, BenchLoader.self, BenchStart.self, BenchKNN.self, BenchDetect.self,
      BenchDetectionKernels.self, BenchNeighbours.self, BenchSegment.self,
    ])
}
