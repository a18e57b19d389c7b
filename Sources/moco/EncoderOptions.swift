import ArgumentParser
import Data
import Distributed
import Evaluation
import Files
import Images
import Methods
import Models
import Torch
import Training
import Weights

/// The options of every command that uses a trained encoder on images.
struct EncoderOptions: ParsableArguments {
  @Option(help: "auto, cpu, cuda, cuda:1 or mps.")
  var device = DeviceChoice.auto
  @Option(parsing: .unconditional, help: ArgumentHelp("Decoding threads.", valueName: "n"))
  var workers: Int?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Refuse larger images before decoding them.", valueName: "n"))
  var maxPixels: Int?
  @Option(
    help: ArgumentHelp(RunKeys.table.depth.help + " As in training unless given.", valueName: "depth"))
  var depth: Depth?
  @Option(help: ArgumentHelp("Stop when more images than this cannot be read, as 5%.", valueName: "share"))
  var maxBad: Fraction?
  @OptionGroup var shards: ShardOptions
  @OptionGroup var images: ImageOptions

  /// A loaded encoder, and its image settings.
  struct Opened {
    let encoder: TrainedEncoder
    /// The encoder's, with what the options say about its images.
    let spec: EncoderSpec
    /// Its image settings.
    let input: EvaluationInput
    /// The configuration of its run; the defaults for imported weights.
    let config: RunConfig
    let device: Device
  }

  /// - Parameter context: Several ranks on a machine each use their own GPU.
  func open(_ checkpoint: String, _ console: Console, context: RankContext = .alone) throws -> Opened {
    try checkWorkers(workers)
    let device = try device.resolve(localNumber: context.localNumber)
    let encoder = try trained(checkpoint, on: device)
    encoder.warnings.forEach(console.warn)
    var config = try RunConfig(encoder)
    config.workers = workers ?? config.workers
    config.maxPixels = maxPixels ?? config.maxPixels
    config.depth = depth ?? config.depth
    config.maxBad = maxBad ?? config.maxBad
    try config.validate()
    let spec = try images.applied(to: encoder.spec)
    var input = config.evaluationInput(of: spec)
    input.imageKey = try shards.field()
    if context.rank.count > 1 { input.retries = ShardRetries(within: RankOptions.patience / 2) }
    return Opened(encoder: encoder, spec: spec, input: input, config: config, device: device)
  }

  private func trained(_ checkpoint: String, on device: Device) throws -> TrainedEncoder {
    do {
      return try TrainedEncoder(checkpoint, on: device)
    } catch CheckpointError.notFound(DetectConfig.random, _) {
      throw UsageError(
        "CHECKPOINT \(checkpoint): there is no checkpoint of that name, and drawn weights are none. Give a trained encoder: "
          + "beside it `knn --baselines` and `finetune --from-scratch` measure drawn weights.")
    }
  }
}

extension Console {
  /// Warns of images that were left out.
  func warn(unreadable: [BadFile]) {
    guard let first = unreadable.first else { return }
    warn("images left out because they cannot be read: \(unreadable.count), the first: \(first)")
  }

  /// Shows the progress of a pass over images, if it takes a while.
  func pass() -> (_ done: Int, _ all: Int) -> Void {
    let start = ContinuousClock.now
    return { done, all in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if seconds > 2 { self.show(Count(done: done, total: all, seconds: seconds)) }
    }
  }
}

extension FeatureLayer: ExpressibleByArgument {}

/// Values with commas between them: `20,200`.
struct Values<Value: LosslessStringConvertible & Sendable>: ExpressibleByArgument, Sendable {
  let all: [Value]

  init(_ all: Value...) { self.all = all }

  init?(argument: String) {
    let values = argument.split(separator: ",", omittingEmptySubsequences: false).map { Value(String($0)) }
    all = values.compactMap { $0 }
    guard !all.isEmpty, all.count == values.count else { return nil }
  }

  var defaultValueDescription: String { all.map(\.description).joined(separator: ",") }
}
