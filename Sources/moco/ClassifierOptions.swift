import ArgumentParser
import Data
import Evaluation
import Files
import Foundation
import Torch
import Training

/// The length and step sizes of a training.
struct LearningOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the training images.", valueName: "n"))
  var epochs: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Images a step.", valueName: "n"))
  var batchSize: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Weight decay.", valueName: "decay"))
  var wd: Double?
  @Option(help: "Learning rate: cosine, or the epochs at which it falls to a tenth, as 120,160.")
  var schedule: Schedule?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Decides first weights, order and augmentation.", valueName: "n"))
  var seed: UInt64?

  /// Raises an error for meaningless numbers.
  func check() throws {
    if let epochs, !(1...1_000_000).contains(epochs) {
      throw UsageError("--epochs \(epochs): 1 to 1,000,000.")
    }
    if let batchSize, !(1...1_000_000).contains(batchSize) {
      throw UsageError("--batch-size \(batchSize): 1 to 1,000,000 images.")
    }
    if let wd, !(wd >= 0 && wd.isFinite) {
      throw UsageError("--wd \(wd): weight decay is finite and not negative.")
    }
    if case .step = schedule {
      throw UsageError(
        "--schedule: a factor every so many steps is for pretrain; give cosine, or epochs such as 120,160.")
    }
  }
}

/// The options of every command that trains a classifier on labelled images.
struct ClassifierOptions: ParsableArguments {
  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String?
  @Option(help: ArgumentHelp("Labelled images to learn from.", valueName: "data"))
  var train: String?
  @Option(help: ArgumentHelp("Labelled images to be tested on.", valueName: "data"))
  var test: String?
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

  /// Raises an error for meaningless numbers.
  func check() throws {
    if let limit, limit < 1 { throw UsageError("--limit \(limit): at least one image.") }
    try checkExtension("--confusion", confusion, content: "a table in CSV", "csv")
    try checkOutputs(("--confusion", confusion))
  }

  /// The encoder that is measured.
  func open(_ console: Console) throws -> EncoderOptions.Opened {
    guard let checkpoint else {
      throw UsageError("CHECKPOINT is missing: a run folder, a checkpoint folder or a .safetensors file.")
    }
    return try options.open(checkpoint, console)
  }

  private func given(_ value: String?, _ option: String, _ meaning: String) throws -> String {
    guard let value else { throw UsageError("\(option) is missing: \(meaning).") }
    return value
  }

  /// The two sets, prepared for the encoder. Reports what they leave out.
  func sets(_ input: EvaluationInput, _ console: Console) throws -> (
    train: EvaluationData, test: EvaluationData
  ) {
    let train = try given(train, "--train", "the labelled images to learn from")
    let test = try given(test, "--test", "the labelled images to be tested on")
    let sets = (
      train: try EvaluationData(train, split: .train, input: input, limit: limit),
      test: try EvaluationData(test, split: .test, input: input, limit: limit)
    )
    console.report(leftOutOf: sets.train, sets.test)
    return sets
  }

  /// Writes the confusion matrix if requested. It is the last output, so that a failure does not lose the
  /// results.
  func writeConfusion(_ score: ClassificationScore?, _ classes: [String]) throws {
    guard let confusion, let score else { return }
    try score.writeConfusion(to: confusion, classes: classes)
    if !json { print("confusion matrix: \(confusion)") }
  }

  func warnIfSame(_ isSame: Bool, _ console: Console) {
    guard isSame else { return }
    console.warn("--train and --test are the same images: the result says nothing about other ones.")
  }
}

extension ClassificationScore {
  /// Prints a line per class; only the hardest if there are many.
  func printTable(_ classes: [String]) {
    let width = max(12, (classes.map(\.count).max() ?? 0) + 2)
    print("\("class".padded(to: width))\("images".padded(to: 8))\("top-1 %".padded(to: 9))mostly taken for")
    let rows = byClass
    let shown = rows.count <= 50 ? rows : Array(rows.sorted { $0.top1 < $1.top1 }.prefix(20))
    for row in shown {
      print(
        classes[row.label].padded(to: width) + "\(row.images)".padded(to: 8)
          + fixed(row.top1, 2).padded(to: 9) + (row.mistakenFor.map { classes[$0] } ?? "–"))
    }
    if shown.count < rows.count { print("the 20 hardest of \(rows.count); --json lists all") }
  }
}

extension ClassifierRun {
  /// The best epoch and the last; top-5 among more than five classes, which it can tell apart.
  func summary(classes: Int) -> String {
    func text(_ epoch: Epoch) -> String {
      "\(fixed(epoch.top1, 2)) %" + (classes > 5 ? " (top-5 \(fixed(epoch.top5, 2)) %)" : "")
    }
    let found =
      if let best, let last { "best \(text(best)) in epoch \(best.epoch), last \(text(last))" } else { "" }
    guard let divergedIn else { return found }
    return "diverged in epoch \(divergedIn)" + (found.isEmpty ? "" : "; before: \(found)")
  }
}

/// Six digits, and 30 for 30.0.
func number(_ value: Double) -> String { String(format: "%.6g", value) }
