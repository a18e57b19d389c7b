import ArgumentParser
import Files
import Methods
import Training

/// Options of the benchmarks of training steps.
struct StepOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Steps before those that are timed.", valueName: "n"))
  var warmup = 2
  @Flag(help: "Print one JSON object.")
  var json = false

  /// The recipe with the command's keys applied.
  func applied(to recipe: String) throws -> RunConfig {
    guard warmup >= 0 else { throw UsageError("--warmup \(warmup): at least 0.") }
    let config = try KeyArguments.ofCommand.applied(to: RunConfig.recipe(recipe))
    try config.validate()
    try KeyArguments.ofCommand.checkUse(in: [config])
    return config
  }
}

struct BenchStep: TakesKeys {
  static let otherwiseUsed = notOfAStep

  static let configuration = CommandConfiguration(
    commandName: "step", abstract: "Time training steps on synthetic images.",
    discussion: """
      The floor is the time that the step's convolutions, products and updates take at this machine's best speed: their \
      operations and bytes are counted as they are defined, and what the machine does of either in a second is measured \
      in the same run. Winograd's convolution, on CPUs with AVX2 or AVX-512, needs fewer operations than are counted: \
      with it a step can be faster than its floor.
      """)

  @Option(help: "The recipe whose step is timed.")
  var recipe = "cifar"
  @Option(help: ArgumentHelp("Steps that are timed.", valueName: "n"))
  var steps = 5
  @Option(
    help: ArgumentHelp(
      "Write weights, keys and dictionary to this file before the first step.", valueName: "safetensors"))
  var start: String?
  @OptionGroup var options: StepOptions

  func run() throws {
    guard steps > 0 else { throw UsageError("--steps \(steps): at least 1.") }
    let config = try options.applied(to: recipe)
    let result = try StepBenchmark(
      config: config, warmup: options.warmup, steps: steps, start: start
    ).run()
    if options.json { return try printJSON(result) }
    print(
      "\(config.arch.rawValue), batch \(config.batchSize), K \(config.mocoK), \(config.bnSplits) BN splits, "
        + "\(result.precision.rawValue), \(result.device), \(result.threads) threads, LibTorch \(result.torch)"
    )
    print("\(fixed(result.secondsPerStep * 1000, 1)) ms a step, \(fixed(result.imagesPerSecond, 1)) images/s")
    let share = fixed(result.secondsOfUpdates / result.secondsPerStep * 100, 1)
    print(
      "of that \(fixed(result.secondsOfUpdates * 1000, 2)) ms, \(share) %, for moving key encoder and weights"
    )
    if let reason = result.notRecorded { print(reason) }
    let roofline = result.roofline
    print(
      "\(fixed(roofline.operations / 1e9, 1)) GFLOP and \(fixed(roofline.bytes / 1e9, 2)) GB a step; this machine: "
        + "\(fixed(roofline.operationsPerSecond / 1e9, 0)) GFLOP/s, \(fixed(roofline.bytesPerSecond / 1e9, 0)) GB/s"
    )
    print(
      "floor \(fixed(roofline.floor * 1000, 1)) ms; the step takes \(fixed(roofline.overFloor, 2)) x as long")
  }
}
