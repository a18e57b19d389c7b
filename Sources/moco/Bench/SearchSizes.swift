import ArgumentParser
import Files

/// The sizes of a search for the nearest rows.
struct SearchSizes: ParsableArguments {
  @Option(help: ArgumentHelp("Rows that are searched.", valueName: "n"))
  var bank = 50_000
  @Option(help: ArgumentHelp("Query rows.", valueName: "n"))
  var queries = 10_000
  @Option(help: ArgumentHelp("Numbers in a row.", valueName: "n"))
  var width = 512
  @Option(help: ArgumentHelp("Nearest rows of a query.", valueName: "n"))
  var k = 200

  /// Raises an error for meaningless numbers.
  func check() throws {
    for (name, value) in [("bank", bank), ("queries", queries), ("width", width), ("k", k)] where value < 1 {
      throw UsageError("--\(name) \(value): at least 1.")
    }
    guard k <= bank else { throw UsageError("--k \(k): the table has \(bank) rows. Give fewer.") }
  }
}
