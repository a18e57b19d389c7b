import ArgumentParser
import Backbones
import Training

struct BenchStep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step", abstract: "Time training steps on synthetic images.")

  @Option(help: "The recipe whose step is timed.")
  var recipe = "cifar"
  @Option(help: ArgumentHelp("Steps that are timed.", valueName: "n"))
  var steps = 5
  @Option(help: ArgumentHelp("Steps before them.", valueName: "n"))
  var warmup = 2
  @Option(help: "Network.")
  var arch: Architecture?
  @Option(help: ArgumentHelp("Images a step.", valueName: "n"))
  var batchSize: Int?
  @Option(help: ArgumentHelp("Dictionary size K.", valueName: "n"))
  var mocoK: Int?
  @Option(help: ArgumentHelp("Groups of batch normalisation.", valueName: "n"))
  var bnSplits: Int?
  @Option(help: ArgumentHelp("Pixels of a view's side.", valueName: "pixels"))
  var imageSize: Int?
  @Option(help: "auto, cpu, cuda, cuda:1 or mps.")
  var device: DeviceChoice?
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    guard steps > 0, warmup >= 0 else {
      throw UsageError("--steps \(steps) --warmup \(warmup): at least 1 and 0.")
    }
    var config = try RunConfig.recipe(recipe)
    config.arch = arch ?? config.arch
    config.batchSize = batchSize ?? config.batchSize
    config.mocoK = mocoK ?? config.mocoK
    config.bnSplits = bnSplits ?? config.bnSplits
    config.imageSize = imageSize ?? config.imageSize
    config.device = device ?? config.device
    try config.validate()
    let result = try StepBenchmark(config: config, warmup: warmup, steps: steps).run()
    if json { return try printJSON(result) }
    print(
      "\(config.arch.rawValue), batch \(config.batchSize), K \(config.mocoK), \(config.bnSplits) BN splits, "
        + "\(result.device), \(result.threads) threads, LibTorch \(result.torch)")
    print("\(fixed(result.secondsPerStep * 1000, 1)) ms a step, \(fixed(result.imagesPerSecond, 1)) images/s")
  }
}
