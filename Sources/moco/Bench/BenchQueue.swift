import ArgumentParser
import Files
import Models
import Training

struct BenchQueue: TakesKeys {
  static let otherwiseUsed = notOfAStep.union(["moco-k"])

  static let configuration = CommandConfiguration(
    commandName: "queue", abstract: "Time training steps with a small and with a large dictionary.",
    discussion: "ResNet-50 on 32 images of 224 pixels by default; the two take turns.")

  @Option(help: "The recipe whose step is timed.")
  var recipe = "v2"
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Dictionary sizes K; the last is compared with the first.", valueName: "n"))
  var mocoK = [4096, 65536]
  @Option(help: ArgumentHelp("Steps of each that are timed.", valueName: "n"))
  var rounds = 5
  @OptionGroup var options: StepOptions

  func run() throws {
    guard rounds > 0 else { throw UsageError("--rounds \(rounds): at least 1.") }
    guard mocoK.count > 1 else { throw UsageError("--moco-k \(mocoK[0]): give two sizes to compare.") }
    var config = try options.applied(to: recipe)
    if KeyArguments.ofCommand.argument("batch-size") == nil { config.batchSize = 32 }
    for size in mocoK {
      config.mocoK = size
      try config.validate()
    }
    let result = try QueueBenchmark(
      config: config, sizes: mocoK, warmup: options.warmup, rounds: rounds
    ).run()
    if options.json { return try printJSON(result) }
    print(
      "\(config.arch.rawValue), batch \(config.batchSize), \(result.precision.rawValue), \(result.device), "
        + "\(result.threads) threads, LibTorch \(result.torch)")
    for size in result.sizes {
      print("K \(size.keys)".padded(to: 12) + "\(fixed(size.secondsPerStep * 1000, 1)) ms a step")
    }
    print("ratio       \(fixed(result.ratio, 3))")
  }
}
