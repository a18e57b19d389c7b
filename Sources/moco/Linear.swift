import ArgumentParser
import Data
import Evaluation
import Files
import Foundation
import Torch
import Training

struct Linear: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure an encoder by a linear classifier on its frozen features.",
    discussion: """
      The published protocol: the encoder stays as it is, to the bit, which is checked; a linear classifier learns \
      from its pooled features of random crops and flips, and is tested on centre crops (or whole images where these \
      have the network's size already) after every epoch. \
      --cached computes the training features once, of centre crops: much faster, a little worse. --lr-sweep does \
      the same and trains a classifier for each of several learning rates.

      Recipes: v1 and v2 (100 epochs at 30, a tenth at 60 and 80 % of them), v3 (90 epochs at 0.1, cosine). Learning \
      rates are those of a batch of 256; with another they are scaled.
      """)

  enum RecipeName: String, CaseIterable, ExpressibleByArgument {
    case v1, v2, v3

    var settings: LinearProtocol { self == .v3 ? .v3 : .v1 }
  }

  @Option(help: "v1, v2 or v3.")
  var recipe = RecipeName.v2
  @Option(parsing: .unconditional, help: ArgumentHelp("Learning rate at a batch of 256.", valueName: "rate"))
  var lr: Double?
  @Flag(help: "Compute the training features once.")
  var cached = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Learning rates to try on features computed once, as 1,10,30.", valueName: "rates"))
  var lrSweep: Values<Double>?
  @OptionGroup var learning: LearningOptions
  @OptionGroup var shared: ClassifierOptions

  func run() throws {
    let settings = try settings()
    let rates = lrSweep?.all ?? [settings.learningRate]
    let console = Console(quiet: shared.json)
    let opened = try shared.open(console)
    let sets = try shared.sets(opened.input, console)
    let measurement = try LinearEvaluation(
      train: sets.train, test: sets.test, settings: settings, cached: cached || lrSweep != nil,
      device: opened.device)
    announce(settings, rates, console)
    shared.warnIfSame(measurement.isSame, console)
    let outcome = try measurement.run(opened.encoder.network, rates: rates) { epoch, trials in
      let found = trials.map { trial in
        trial.divergedIn != nil ? "diverged" : trial.last.map { "\(fixed($0.top1, 2)) %" } ?? ""
      }
      console.say("epoch \(epoch)/\(settings.epochs)  top-1 \(found.joined(separator: "  "))")
    }
    console.warn(unreadable: outcome.unreadable)

    let classes = measurement.train.dataset.classNames
    for trial in outcome.trials {
      let rates = "--lr \(number(trial.learningRate))"
      if let warning = trial.warning(classes: classes.count, rates: rates) { console.warn(warning) }
    }
    let winner = outcome.best
    if shared.json {
      try printJSON(LinearReport(outcome, of: measurement, settings, recipe: recipe.rawValue))
    } else {
      printResult(outcome, of: measurement, settings, winner)
    }
    guard let winner else { throw outcome.allDiverged }
    try shared.writeConfusion(winner.bestScore, classes)
  }

  private func settings() throws -> LinearProtocol {
    try learning.check()
    try shared.check()
    try check(lr.map { [$0] } ?? [], of: "--lr")
    try check(lrSweep?.all ?? [], of: "--lr-sweep")
    if lr != nil, lrSweep != nil {
      throw UsageError("--lr and --lr-sweep contradict each other: give one of them.")
    }
    var settings = recipe.settings
    if let epochs = learning.epochs {
      // The milestones keep their relative positions.
      if case .milestones(let milestones) = settings.schedule {
        settings.schedule = .milestones(milestones.map { $0 * epochs / settings.epochs })
      }
      settings.epochs = epochs
    }
    settings.batchSize = learning.batchSize ?? settings.batchSize
    settings.learningRate = lr ?? settings.learningRate
    settings.weightDecay = learning.wd ?? settings.weightDecay
    settings.schedule = learning.schedule ?? settings.schedule
    settings.seed = learning.seed ?? settings.seed
    return settings
  }

  /// Raises an error for learning rates without effect.
  private func check(_ rates: [Double], of option: String) throws {
    for rate in rates where !(rate > 0 && rate.isFinite) {
      throw UsageError("\(option) \(rate): a learning rate must be positive and finite.")
    }
  }

  private func announce(_ settings: LinearProtocol, _ rates: [Double], _ console: Console) {
    guard settings.batchSize != 256 else { return }
    for rate in rates {
      console.say(
        "batch of \(settings.batchSize) instead of 256: the learning rate \(number(rate)) becomes "
          + "\(number(settings.scaled(rate)))")
    }
  }

  private func printResult(
    _ outcome: LinearEvaluation.Outcome, of measurement: LinearEvaluation, _ settings: LinearProtocol,
    _ winner: LinearProtocol.Trial?
  ) {
    print(
      "linear classification, recipe \(recipe.rawValue), \(settings.epochs) epoch\(settings.epochs == 1 ? "" : "s"), "
        + EvaluationData.sizes(measurement.train, measurement.test))
    let classes = measurement.train.dataset.classNames
    for trial in outcome.trials {
      print("lr \(number(trial.learningRate))".padded(to: 12) + trial.summary(classes: classes.count))
    }
    if let winner, let score = winner.bestScore {
      if outcome.trials.count > 1 { print("classes, lr \(number(winner.learningRate))") }
      score.printTable(classes)
    }
    print("the encoder is unchanged: \(outcome.unchangedTensors) tensors compared")
  }
}
