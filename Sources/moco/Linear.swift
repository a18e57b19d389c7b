import ArgumentParser
import Evaluation
import Foundation
import Torch
import Training

struct Linear: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure an encoder by a linear classifier on its frozen features.",
    discussion: """
      The published protocol: the encoder stays as it is, to the bit, which is checked; a linear classifier learns \
      from its pooled features of random crops and flips, and is tested on centre crops after every epoch. \
      --cached computes the training features once, of centre crops: much faster, a little worse. --lr-sweep does \
      the same and trains a classifier for each of several learning rates.

      Recipes: v1 and v2 (100 epochs at 30, a tenth at 60 and 80 % of them), v3 (90 epochs at 0.1, cosine). Learning \
      rates are those of a batch of 256; with another they are scaled.
      """)

  enum RecipeName: String, CaseIterable, ExpressibleByArgument {
    case v1, v2, v3

    var settings: LinearProtocol { self == .v3 ? .v3 : .v1 }
  }

  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String
  @Option(help: ArgumentHelp("Labelled images to learn from.", valueName: "data"))
  var train: String
  @Option(help: ArgumentHelp("Labelled images to be tested on.", valueName: "data"))
  var test: String
  @Option(help: "v1, v2 or v3.")
  var recipe = RecipeName.v2
  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the training images.", valueName: "n"))
  var epochs: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Images a step.", valueName: "n"))
  var batchSize: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Learning rate at a batch of 256.", valueName: "rate"))
  var lr: Double?
  @Option(parsing: .unconditional, help: ArgumentHelp("Weight decay.", valueName: "rate"))
  var wd: Double?
  @Option(help: ArgumentHelp("cosine, or epochs of a tenth as 60,80.", valueName: "schedule"))
  var schedule: Schedule?
  @Option(help: ArgumentHelp("Of the first weights and the order of images.", valueName: "n"))
  var seed: UInt64?
  @Flag(help: "Compute the training features once.")
  var cached = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Learning rates to try on features computed once, as 1,10,30.", valueName: "rates"))
  var lrSweep: Values<Double>?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("At most so many images of each set, evenly spaced.", valueName: "n"))
  var limit: Int?
  @Option(
    help: ArgumentHelp("Write how often each class was taken for each other.", valueName: "file.csv"))
  var confusion: String?
  @OptionGroup var options: EncoderOptions
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let settings = try settings()
    let rates = lrSweep?.all ?? [settings.learningRate]
    let console = Console(quiet: json)
    let opened = try options.open(checkpoint, console)
    let measurement = try LinearMeasurement(
      train: EvaluationSet(train, split: .train, config: opened.config, limit: limit),
      test: EvaluationSet(test, split: .test, config: opened.config, limit: limit), settings: settings,
      cached: cached || lrSweep != nil, device: opened.device)
    announce(settings, rates, console)
    if measurement.isSame {
      console.warn("--train and --test are the same images: the result says nothing about other ones.")
    }
    let outcome = try measurement.run(opened.encoder.network, rates: rates) { epoch, trials in
      let found = trials.map { trial in
        trial.divergedIn != nil ? "diverged" : trial.last.map { "\(fixed($0.top1, 2)) %" } ?? ""
      }
      console.say("epoch \(epoch)/\(settings.epochs)  top-1 \(found.joined(separator: "  "))")
    }
    console.warn(unreadable: outcome.unreadable)

    let classes = measurement.train.dataset.classNames
    let winner = outcome.best
    if let confusion, let score = winner?.bestScore {
      try score.writeConfusion(to: confusion, classes: classes)
    }
    if json {
      try printJSON(LinearReport(outcome, settings, recipe: recipe.rawValue, classes: classes))
    } else {
      tell(outcome, settings, winner, classes)
    }
    guard winner != nil else { throw outcome.allDiverged }
  }

  private func settings() throws -> LinearProtocol {
    var settings = recipe.settings
    if let epochs {
      guard (1...1_000_000).contains(epochs) else { throw UsageError("--epochs \(epochs): 1 to 1,000,000.") }
      // The milestones keep their places in the whole.
      if case .step(let milestones) = settings.schedule {
        settings.schedule = .step(milestones: milestones.map { $0 * epochs / settings.epochs })
      }
      settings.epochs = epochs
    }
    if let batchSize {
      guard (1...1_000_000).contains(batchSize) else {
        throw UsageError("--batch-size \(batchSize): 1 to 1,000,000 images.")
      }
      settings.batchSize = batchSize
    }
    for rate in [lr].compactMap({ $0 }) + (lrSweep?.all ?? []) where !(rate > 0 && rate.isFinite) {
      throw UsageError("--lr\(lrSweep == nil ? "" : "-sweep") \(rate): a learning rate must be positive.")
    }
    if let wd, !(wd >= 0 && wd.isFinite) { throw UsageError("--wd \(wd): weight decay is not negative.") }
    if let limit, limit < 1 { throw UsageError("--limit \(limit): at least one image.") }
    settings.learningRate = lr ?? settings.learningRate
    settings.weightDecay = wd ?? settings.weightDecay
    settings.schedule = schedule?.rate ?? settings.schedule
    settings.seed = seed ?? settings.seed
    return settings
  }

  private func announce(_ settings: LinearProtocol, _ rates: [Double], _ console: Console) {
    guard settings.batchSize != 256 else { return }
    for rate in rates {
      console.say(
        "batch of \(settings.batchSize) instead of 256: the learning rate \(number(rate)) becomes "
          + "\(number(settings.scaled(rate)))")
    }
  }

  private func tell(
    _ outcome: LinearMeasurement.Outcome, _ settings: LinearProtocol, _ winner: LinearProtocol.Trial?,
    _ classes: [String]
  ) {
    print(
      "linear classification, recipe \(recipe.rawValue), \(settings.epochs) epochs, "
        + "\(outcome.trainImages) training and \(outcome.testImages) test images")
    for trial in outcome.trials {
      print("lr \(number(trial.learningRate))".padded(to: 12) + trial.summary)
    }
    if let rows = winner?.bestScore?.byClass {
      if outcome.trials.count > 1, let winner { print("classes, lr \(number(winner.learningRate))") }
      let width = max(12, (classes.map(\.count).max() ?? 0) + 2)
      print("\("class".padded(to: width))\("images".padded(to: 8))\("top-1 %".padded(to: 9))mostly taken for")
      // The hardest first, where they are too many to read them all.
      let shown = rows.count <= 50 ? rows : Array(rows.sorted { $0.top1 < $1.top1 }.prefix(20))
      for row in shown {
        print(
          classes[row.label].padded(to: width) + "\(row.images)".padded(to: 8)
            + fixed(row.top1, 2).padded(to: 9) + (row.mistakenFor.map { classes[$0] } ?? "–"))
      }
      if shown.count < rows.count { print("the 20 hardest of \(rows.count); --json lists all") }
    }
    print("the encoder is unchanged: \(outcome.unchangedTensors) tensors compared")
    if let confusion, winner != nil { print("confusion matrix: \(confusion)") }
  }
}

/// 30 for 30.0.
private func number(_ value: Double) -> String {
  value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value)"
}

extension LinearProtocol.Trial {
  fileprivate var summary: String {
    func told(_ epoch: LinearProtocol.Epoch) -> String {
      "\(fixed(epoch.top1, 2)) % (top-5 \(fixed(epoch.top5, 2)) %)"
    }
    let found =
      if let best, let last { "best \(told(best)) in epoch \(best.epoch), last \(told(last))" } else { "" }
    guard let divergedIn else { return found }
    return "diverged in epoch \(divergedIn)" + (found.isEmpty ? "" : "; before: \(found)")
  }
}
