import ArgumentParser
import Files
import Foundation
import Torch

/// Times the search for the background of local aggregation; `Benchmarks/neighbours/search.py` reads the result.
struct BenchNeighbours: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "neighbours", abstract: "Time a search for the nearest rows of a table.",
    shouldDisplay: false)

  @OptionGroup var sizes: SearchSizes
  @Option(help: ArgumentHelp("Threads that compute.", valueName: "n"))
  var threads = 2
  @Option(help: ArgumentHelp("Searches that are timed; the median is printed.", valueName: "n"))
  var rounds = 5

  func run() throws {
    try sizes.check()
    for (name, value) in [("threads", threads), ("rounds", rounds)] where value < 1 {
      throw UsageError("--\(name) \(value): at least 1.")
    }
    Runtime.threads = threads
    Runtime.keepFreedMemory()
    let times = try withTorchErrors {
      let generator = Generator(seed: 1)
      let table = l2Normalized(Tensor.normal([sizes.bank, sizes.width], using: generator))
      let wanted = l2Normalized(Tensor.normal([sizes.queries, sizes.width], using: generator))
      _ = nearestRows(to: wanted, in: table, count: sizes.k)  // the first takes memory from the system
      return (0..<rounds).map { _ in
        ContinuousClock().measure { _ = nearestRows(to: wanted, in: table, count: sizes.k) }
          / .milliseconds(1)
      }
    }
    try printJSON(["milliseconds": median(times)])
  }
}
