import ArgumentParser
import Distributed
import Files
import Foundation
import Methods
import Training

/// The options of `moco detect` and `moco segment`, and the course of these commands.
struct TransferOptions<Task: TransferTask>: ParsableArguments {
  typealias Config = Task.Config

  /// ArgumentParser would show all of them as optional.
  static var usage: String {
    """
    moco \(Config.command) [<checkpoint>] --recipe <recipe> --train <data> --test <data> --out <folder> [<options>]
    moco \(Config.command) [<checkpoint>] --eval-only --test <data> --out <folder> [<options>]
    """
  }

  @Argument(
    help: ArgumentHelp(
      "Weights to start from; with --eval-only a trained network, the one in --out unless given."))
  var checkpoint: String?
  @Option(help: ArgumentHelp("Annotated images to learn from.", valueName: "data"))
  var train: String?
  @Option(help: ArgumentHelp("Annotated images to be tested on.", valueName: "data"))
  var test: String?
  @Option(
    help: ArgumentHelp(
      "The run's folder; with --eval-only that of the results, which go to eval/ in a run's.",
      valueName: "folder"))
  var out: String?
  @Option(help: ArgumentHelp("\(Config.recipeNames), or the path of a .yaml file."))
  var recipe: String?
  @Option(help: Pretraining.Resume.help)
  var resume = Pretraining.Resume.auto
  @OptionGroup var ranks: RankOptions
  @Flag(help: "Change the recipe's learning rate in proportion to the batch.")
  var scaleLR = false
  @Flag(help: "Only test the network of --out, or CHECKPOINT.")
  var evalOnly = false
  @Flag(help: "Print the resolved recipe as YAML and leave.")
  var printConfig = false
  @Flag(help: "Only warnings and errors.")
  var quiet = false

  /// Trains, or tests.
  /// - Parameters:
  ///   - keys: The keys that were given.
  ///   - results: The name of the results in the run's folder, and what they are.
  ///   - finish: Called in rank 0 with the run's folder when its results are there.
  /// - Throws: `ExitCode` of a signal that ended the run.
  func run(
    _ keys: KeyArguments, results: (name: String, what: String),
    finish: (_ out: String) throws -> Void = { _ in }
  ) throws {
    if evalOnly { return try evaluate(keys, results: results, finish: finish) }
    let base = try base()
    let config = try config(from: base, keys)
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
      let run = try context.run {
        try TransferTraining<Task>(
          config, train: train, test: test, out: out, resume: resume, context: context,
          comparison: comparison, console: console)
      }
      switch try run.run() {
      case .finished:
        if context.isFirst { try finish(out) }
        console.say("Done. The \(results.what): \(out)/\(results.name)")
      case .stopped(let signal): throw ExitCode(StopRequest.exitCode(signal))
      }
    }
  }

  private func given(_ value: String?, _ option: String, _ meaning: String) throws -> String {
    guard let value else { throw UsageError("\(option) is missing: \(meaning).") }
    return value
  }

  /// The options before those of the command line.
  private func base() throws -> Config {
    if let recipe { return try .recipe(recipe) }
    if case .from(let path) = resume { return try Config(ofCheckpoint: path) }
    throw UsageError("--recipe is missing: one of \(Config.recipeNames), or the path of a .yaml file.")
  }

  private func config(from base: Config, _ keys: KeyArguments) throws -> Config {
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

  private func evaluate(
    _ keys: KeyArguments, results: (name: String, what: String), finish: (_ out: String) throws -> Void
  ) throws {
    let test = try given(test, "--test", "the annotated images to be tested on")
    let out = try given(out, "--out", "the folder for \(results.name)")
    if train != nil {
      throw UsageError("--train goes not with --eval-only, which does not learn. Leave it out.")
    }
    let path = checkpoint ?? out
    let settings = [("CHECKPOINT", path), ("--test", test), ("--out", out)]
    try ranks.evaluate(settings) { context in
      let console = Console(quiet: quiet, silent: !context.isFirst)
      let evaluation = try TransferEvaluation<Task>(
        path, test: test, out: out, context: context, console: console
      ) { try keys.applied(to: $0) }
      guard let measured = try evaluation.run() else { return }
      try finish(evaluation.folder)
      console.finish()
      for line in measured.lines.dropFirst() { print(line) }
      print("\(measured.summary): \(evaluation.folder)/\(results.name)")
    }
  }
}

extension TransferConfig {
  /// Below the title of the recipe's options.
  static var noteOfHelp: String {
    "A recipe sets them; a default counts where a recipe of yours leaves its option out."
  }

  /// Of the recipes in the program.
  fileprivate static var recipeNames: String { recipes.map(\.name).joined(separator: ", ") }
}
