import ArgumentParser
import Files
import Foundation
import Torch

/// Times the search for the background of local aggregation; `Benchmarks/neighbours/search.py` reads the result.
struct BenchNeighbours: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "neighbours", abstract: "Time a search for the nearest rows of a table.",
    shouldDisplay: false)

  @Option(help: ArgumentHelp("Rows that are searched.", valueName: "n"))
  var bank = 50_000
  @Option(help: ArgumentHelp("Query rows.", valueName: "n"))
  var queries = 128
  @Option(help: ArgumentHelp("Numbers in a row.", valueName: "n"))
  var width = 128
  @Option(help: ArgumentHelp("Nearest rows of a query.", valueName: "n"))
  var k = 4096
  @Option(help: ArgumentHelp("Threads that compute.", valueName: "n"))
  var threads = 2
  @Option(help: ArgumentHelp("Searches that are timed; the median is printed.", valueName: "n"))
  var rounds = 5

  func run() throws {
    let given = [
      ("bank", bank), ("queries", queries), ("width", width), ("k", k), ("threads", threads),
      ("rounds", rounds),
    ]
    for (name, value) in given where value < 1 { throw UsageError("--\(name) \(value): at least 1.") }
    guard k <= bank else { throw UsageError("--k \(k): the table has \(bank) rows. Give fewer.") }
    Runtime.threads = threads
    Runtime.keepFreedMemory()
    let times = try withTorchErrors {
      let generator = Generator(seed: 1)
      let table = l2Normalized(Tensor.normal([bank, width], using: generator))
      let wanted = l2Normalized(Tensor.normal([queries, width], using: generator))
      _ = nearestRows(to: wanted, in: table, count: k)  // the first takes memory from the system
      return (0..<rounds).map { _ in
        ContinuousClock().measure { _ = nearestRows(to: wanted, in: table, count: k) } / .milliseconds(1)
      }
    }
    try printJSON(["milliseconds": median(times)])
  }
}
