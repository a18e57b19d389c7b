import ArgumentParser
import Distributed
import Evaluation
import Files
import Foundation
import Methods
import Training

struct Detect: TakesKeys {
  typealias Config = DetectConfig

  static let configuration = CommandConfiguration(
    abstract: "Train a detector from a pre-trained encoder, and measure it.",
    discussion: """
      CHECKPOINT is a run, a checkpoint or a file of weights; its backbone becomes the detector's. DATA is a VOC devkit with \
      years and lists, 'VOC2007:trainval+VOC2012:trainval', a COCO or LVIS file with the folder of its images, \
      'train.json@images/', or Cityscapes with a split, 'cityscapes/:train'.

      A recipe sets every option; the command line overrides it. The run folder holds config.yaml, log.jsonl, TensorBoard's \
      event files, checkpoints, the detections of the latest test in COCO's results format (results.json) and the origin of \
      each tensor (weights.txt). The same command again continues a run that was stopped or killed, bit for bit.

        moco detect runs/v2 --train VOC2007:trainval+VOC2012:trainval --test VOC2007:test --recipe voc-c4 --out runs/voc
        moco detect --init random --train a.json@images --test b.json@images --recipe small-fpn --out runs/scratch
        moco detect --eval-only --test VOC2007:test --out runs/voc
      """)

  @Argument(
    help: "Weights to start from; with --eval-only a trained detector, the one in --out unless given.")
  var checkpoint: String?
  @Option(help: ArgumentHelp("Annotated images to learn from.", valueName: "data"))
  var train: String?
  @Option(help: ArgumentHelp("Annotated images to be tested on.", valueName: "data"))
  var test: String?
  @Option(help: ArgumentHelp("The run's folder.", valueName: "folder"))
  var out: String?
  @Option(help: "\(DetectionRecipe.names.joined(separator: ", ")), or the path of a .yaml file.")
  var recipe: String?
  @Option(
    help: ArgumentHelp(
      "auto continues the run in the folder; never refuses a folder that holds one; a path carries that run on in a new "
        + "folder, also with other options or on other images.", valueName: "how"))
  var resume = Pretraining.Resume.auto
  @OptionGroup var ranks: RankOptions
  @Flag(help: "Change the recipe's learning rate in proportion to the batch.")
  var scaleLR = false
  @Flag(help: "Only test the detector of --out, or CHECKPOINT.")
  var evalOnly = false
  @Flag(help: "Print the resolved recipe as YAML and leave.")
  var printConfig = false
  @Flag(help: "Only warnings and errors.")
  var quiet = false

  func run() throws {
    if evalOnly { return try evaluate() }
    let base = try base()
    let config = try config(from: base)
    try config.validate()
    try keys.checkUse(in: [config])
    if printConfig {
      print(try config.yaml(), terminator: "")
      return
    }
    let train = try given(train, "--train", "the annotated images to learn from")
    let test = try given(test, "--test", "the annotated images to be tested on")
    let out = try given(out, "--out", "the folder for the run's log and checkpoints")
    StopRequest.install(saves: true)
    let claims = RankClaims([("--out", out), ("--resume", resume.text)] + config.settingsOfAllRanks)
    let comparison = config.comparison(with: base)
    try ranks.run(timeout: .seconds(config.timeout), claims: claims, check: config.validate(ranks:)) {
      context in
      let console = Console(quiet: quiet, silent: !context.isFirst)
      if let comparison {
        if comparison.isRisky {
          console.warn(comparison.text)
        } else {
          console.say("rate      \(comparison.text)")
        }
      }
      let run = try context.run {
        try DetectorTraining(
          config, train: train, test: test, out: out, resume: resume, context: context,
          notes: comparison.map { [$0.text] } ?? [], console: console)
      }
      switch try run.run() {
      case .finished: console.say("Done. The detections: \(out)/results.json")
      case .stopped(let signal): throw ExitCode(StopRequest.exitCode(signal))
      }
    }
  }

  private func given(_ value: String?, _ option: String, _ meaning: String) throws -> String {
    guard let value else { throw UsageError("\(option) is missing: \(meaning).") }
    return value
  }

  /// The options before those of the command line.
  private func base() throws -> DetectConfig {
    if let recipe { return try .recipe(recipe) }
    if case .from(let path) = resume { return try DetectConfig(ofCheckpoint: path) }
    throw UsageError(
      "--recipe is missing: one of \(DetectionRecipe.names.joined(separator: ", ")), or the path of a .yaml file."
    )
  }

  private func config(from base: DetectConfig) throws -> DetectConfig {
    var config = try keys.applied(to: base)
    if let checkpoint {
      guard keys.argument("init") == nil else {
        throw UsageError("CHECKPOINT \(checkpoint) and --init contradict each other: give one of them.")
      }
      config.initFile = checkpoint
    }
    if case .from(let path) = resume, checkpoint != nil || keys.argument("init") != nil {
      throw UsageError(
        "--resume \(path) and weights to start from contradict each other: a run that goes on has its weights. Give one "
          + "of them.")
    }
    guard scaleLR else { return config }
    guard keys.argument("lr") == nil else {
      throw UsageError("--lr and --scale-lr contradict each other: give one of them.")
    }
    return config.scalingRate(from: base)
  }

  private func evaluate() throws {
    let test = try given(test, "--test", "the annotated images to be tested on")
    let out = try given(out, "--out", "the folder for results.json")
    if train != nil {
      throw UsageError("--train goes not with --eval-only, which does not learn. Leave it out.")
    }
    let path = checkpoint ?? out
    let settings = [("CHECKPOINT", path), ("--test", test), ("--out", out)]
    try ranks.evaluate(settings) { context in
      let console = Console(quiet: quiet, silent: !context.isFirst)
      let evaluation = try DetectorEvaluation(path, test: test, out: out, context: context, console: console)
      {
        try keys.applied(to: $0)
      }
      guard let measured = try evaluation.run() else { return }
      console.finish()
      for line in measured.scores.flatMap({ $0.table() }) { print(line) }
      print("\(measured.detections) detections in \(measured.images) images: \(out)/results.json")
    }
  }
}

extension Detect {
  /// The program notes it, and nobody gives it.
  static let otherwiseUsed: Set<String> = ["carried-from"]
}
