import ArgumentParser
import Data
import Files
import Foundation
import Methods
import Torch
import Training

struct Plan: TakesKeys {
  static let otherwiseUsed: Set<String> = ["init", "init-key", "init-digest", "carried-from", "minutes"]

  static let configuration = CommandConfiguration(
    abstract: "Estimate the time, memory, network traffic and bottleneck of a run before it is started.",
    discussion: """
      A step is timed here on random images, or read from a file that another machine wrote with 'moco bench step \
      --recipe RECIPE --batch-size 8 --json'; loading is timed on --data, or read from a file of 'moco bench loader DATA \
      --json'. All else is computed, and everything estimated is marked.

        moco plan ig1b --images 940000000 --ranks 64 --data photos/
        moco plan v2 --images 1281167 --ranks 8 --ranks-per-machine 8 --measured step.json --loader loader.json
      """)

  @Argument(help: "A recipe's name, or the path of a .yaml file.")
  var recipe: String
  @Option(help: ArgumentHelp("The number of images of the data set.", valueName: "n"))
  var images: Int
  @Option(help: ArgumentHelp("The number of ranks.", valueName: "n"))
  var ranks: Int
  @Option(help: ArgumentHelp("Ranks of a machine: they share its cores and its network.", valueName: "n"))
  var ranksPerMachine = 1
  @Option(help: ArgumentHelp("The speed of a machine's network.", valueName: "speed"))
  var network = NetworkSpeed.usual
  @Option(help: ArgumentHelp("A measurement of 'moco bench step --json'.", valueName: "json"))
  var measured: String?
  @Option(help: ArgumentHelp("A measurement of 'moco bench loader --json'.", valueName: "json"))
  var loader: String?
  @Option(help: ArgumentHelp("Images on which loading is timed here.", valueName: "data"))
  var data: String?
  @Option(
    help: ArgumentHelp("Images of the step that is timed here; a rank's share, at most 8.", valueName: "n"))
  var measureImages: Int?
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    var config = try keys.applied(to: RunConfig.recipe(recipe))
    if config.isUndecided { config.minutes = nil }  // a plan is of epochs or of steps
    try keys.checkUse(in: [config])
    guard ranks > 0, ranksPerMachine > 0 else {
      throw UsageError("--ranks and --ranks-per-machine are at least 1.")
    }
    guard images > 0 else { throw UsageError("--images \(images): at least 1.") }
    guard loader == nil || data == nil else {
      throw UsageError("--loader and --data contradict each other: give one of them.")
    }
    try config.validate(ranks: ranks)
    try config.validate(images: images, ranks: ranks)
    let step = try measured.map { try read($0, config) } ?? measure(config)
    let plan = RunPlan(
      config, images: images, footprint: try footprint(config), step: step, loader: try loaderMeasure(config),
      ranksPerMachine: ranksPerMachine, network: network)
    let report = try PlanReport(plan, ranks: ranks, isMeasuredHere: measured == nil)
    if json { try printJSON(report) } else { print(report.text(plan), terminator: "") }
  }

  // MARK: - Measurements

  private func measure(_ config: RunConfig) throws -> StepMeasure {
    let share = config.batchSize / ranks
    let count = measureImages ?? max(2, min(share, 8))
    guard count > 1 else { throw UsageError("--measure-images \(count): at least 2.") }
    var one = config
    (one.batchSize, one.accumulate, one.syncBN, one.bnSplitsPer) = (count, 1, false, .batch)
    let groups = config.bnGroups(ranks: ranks)
    one.bnSplits = count.isMultiple(of: groups) && count > groups ? groups : 1
    return try StepBenchmark(config: one, warmup: 1, steps: 3).run().measure
  }

  private func read(_ path: String, _ config: RunConfig) throws -> StepMeasure {
    struct Written: Decodable { let measure: StepMeasure }
    let hint = "Write one with `moco bench step --recipe \(recipe) --batch-size 8 --json`."
    let found = try decoded(Written.self, from: path, option: "--measured", hint: hint).measure
    guard found.images > 0, found.cores > 0, found.secondsPerStep > 0 else {
      throw UsageError("--measured \(path): it measured nothing. \(hint)")
    }
    guard (found.arch, found.imageSize, found.precision) == (config.arch, config.imageSize, config.precision)
    else {
      throw UsageError(
        "--measured \(path): it is of \(found.arch.rawValue) at \(found.imageSize) pixels in "
          + "\(found.precision.rawValue), not of \(config.arch.rawValue) at \(config.imageSize) in "
          + "\(config.precision.rawValue). \(hint)")
    }
    return found
  }

  private func loaderMeasure(_ config: RunConfig) throws -> LoaderMeasure? {
    if let loader {
      let hint = "Write one with `moco bench loader DATA --json`."
      let found = try decoded(LoaderMeasure.self, from: loader, option: "--loader", hint: hint)
      guard found.full > 0 else { throw UsageError("--loader \(loader): it measured nothing. \(hint)") }
      return found
    }
    guard let data else { return nil }
    let threads = Runtime.threads
    defer { Runtime.threads = threads }
    let dataset = try Dataset.open(
      data, OpeningOptions(decoder: config.decoder, imageKey: config.imageField), allowsOneImage: true)
    let bench = LoaderBenchmark(dataset, views: config.transform.views, images: 100)
    return LoaderMeasure(
      full: 1 / (try bench.stages(passes: 1).0.full), bytesPerImage: try bench.bytesPerImage())
  }

  private func decoded<Value: Decodable>(
    _ type: Value.Type, from path: String, option: String, hint: String
  ) throws -> Value {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw UsageError("\(option) \(path): the file cannot be read. \(hint)")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let value = try? decoder.decode(type, from: bytes) else {
      throw UsageError("\(option) \(path): this is no such measurement. \(hint)")
    }
    return value
  }

  /// Counted on the CPU, from the weights themselves; a memory bank is not made in its full size.
  private func footprint(_ config: RunConfig) throws -> Footprint {
    var footprint = try Learner(config, images: config.batchSize, device: .cpu).footprint(config)
    if config.kind.keys.contains(\MethodKeys.bank) {
      let missing = (images - config.batchSize) * (footprint.dictionary / config.batchSize)
      footprint.dictionary += missing
      footprint.checkpoint += missing
    }
    return footprint
  }
}

extension NetworkSpeed: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { description }
}
