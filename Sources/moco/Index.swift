import ArgumentParser
import Data
import Files
import Training

struct Index: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the index of shards: how many images each holds.",
    discussion: """
      Training on an index begins and resumes at once, however many shards there are; without one, shards are listed \
      first. It is WebDataset's (wids), and those that wids writes are read too. moco pack writes one by itself.

        moco index 'train-{000..127}.tar' --out train-index.json
        moco index 'pipe:curl -sf https://example.org/train-{000..127}.tar' --out train-index.json
        moco pretrain train-index.json --recipe v2 --out runs/v2

      An index may hold commands, which reading it runs: use those you trust.
      """)

  @Argument(
    help: "Shards, as pretrain takes them: x-{000..127}.tar, a folder of them, or pipe: and a command.")
  var shards: [String]
  @Option(help: ArgumentHelp("The index, a .json file.", valueName: "file"))
  var out: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Shards that are read at a time; one a core unless given.", valueName: "n"))
  var workers: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Times that a command that breaks is started again.", valueName: "n"))
  var retries = 5
  @OptionGroup var options: ShardOptions
  @Flag(help: "Only warnings and errors.")
  var quiet = false

  func run() throws {
    try checkWorkers(workers)
    guard out.hasSuffix(".json") else { throw UsageError("--out \(out): let the name end in .json.") }
    guard retries >= 0 else { throw UsageError("--retries \(retries): at least 0.") }
    try checkOutputs(("--out", out))
    let console = Console(quiet: quiet)
    let sources = try shards.flatMap { try ShardPattern.sources($0) }
    let start = ContinuousClock.now
    let list = try ShardList(
      counting: sources, for: out, field: options.field(), threads: workers ?? Cores.usable,
      retries: ShardRetries(count: retries)
    ) { done in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      console.show(Console.Count(done: done, total: sources.count, seconds: seconds, unit: "shards"))
    }
    console.finish()
    try list.write(to: out)
    let images = list.shards.reduce(0) { $0 + $1.nsamples }
    console.say(
      "\(grouped(images)) images in \(grouped(sources.count)) shard\(sources.count == 1 ? "" : "s"): \(out)")
  }
}
