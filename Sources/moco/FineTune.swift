import ArgumentParser
import Data
import Evaluation
import Files
import Foundation
import Training

struct FineTune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune",
    abstract: "Train the whole encoder and a classifier on labels, of which there may be few.",
    discussion: """
      --labels says how many of the training images may show their label: a share, drawn from the seed with as many \
      of every class as of the others and at least one, or a .txt file with a path a line, as the published subsets \
      of ImageNet are. The network learns from random crops and flips with batch normalisation in training mode, and \
      is tested on centre crops. --from-scratch trains the same network from random weights beside it: what the \
      encoder brought is the difference.

      The paper gives no rates for this. The defaults are this program's own: 50 epochs, batch 64, cosine, weight \
      decay 1e-4, learning rates 0.1 of the backbone and 1 of the classifier at a batch of 256 (with another they \
      are scaled). A fresh network may need others: compare with the best of each.

        moco finetune runs/photos --train labelled/train --test labelled/test --labels 1% --from-scratch
      """)

  @OptionGroup var shared: ClassifierOptions
  @Option(
    help: ArgumentHelp(
      "Training images that show their label: 1%, 10%, 100%, or a .txt list.", valueName: "labels"))
  var labels = LabelSubset.all
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The backbone's learning rate at a batch of 256.", valueName: "rate"))
  var lr: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The classifier's learning rate at a batch of 256.", valueName: "rate"))
  var lrClassifier: Double?
  @Option(parsing: .unconditional, help: ArgumentHelp("The optimizer's momentum.", valueName: "m"))
  var momentum: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Epochs from one test to the next; 5 unless given.", valueName: "n"))
  var testEvery: Int?
  @Flag(help: "Train the same network from random weights too.")
  var fromScratch = false
  @Option(
    help: ArgumentHelp(
      "Write the fine-tuned network, for every command that takes a checkpoint.",
      valueName: "file.safetensors"))
  var out: String?

  func run() throws {
    let settings = try settings()
    if let out { try checkCheckpointOutput(out) }
    let console = Console(quiet: shared.json)
    let opened = try shared.options.open(shared.checkpoint, console)
    let sets = try shared.sets(opened.input)
    let tuning = try FineTuning(
      opened.spec, train: sets.train, labels: labels, test: sets.test, settings: settings,
      fitsBatch: shared.learning.batchSize == nil, device: opened.device)
    announce(tuning, console)
    shared.warnIfSame(tuning.isSame, console)

    let tuned = try tuning.run(from: opened.encoder.network) { show("fine-tuned", $0, tuning, console) }
    console.warn(unreadable: tuned.unreadable)
    if let divergence = tuned.divergence { throw divergence }
    // Early, but a failure is reported after the results.
    let written = Result { if let out { try tuned.write(to: out) } }
    let scratch = try fromScratch ? tuning.run(from: nil) { show("from scratch", $0, tuning, console) } : nil

    let classes = tuning.train.dataset.classNames
    let report = FineTuneReport(tuning, labels, fineTuned: tuned.trial, fromScratch: scratch?.trial)
    if shared.json { try printJSON(report) } else { show(report, tuned.trial, scratch?.trial, classes) }
    try written.get()
    if let out, !shared.json { print("the network after the last epoch: \(out)") }
    try shared.writeConfusion(tuned.trial.lastScore, classes)
  }

  private func settings() throws -> FineTuneProtocol {
    try shared.check(smallestBatch: 2)
    try shared.check(lr.map { [$0] } ?? [], of: "--lr")
    try shared.check(lrClassifier.map { [$0] } ?? [], of: "--lr-classifier")
    if let momentum, !(0..<1).contains(momentum) {
      throw UsageError("--momentum \(momentum): the optimizer's momentum lies in [0, 1).")
    }
    if let testEvery, testEvery < 1 { throw UsageError("--test-every \(testEvery): at least 1 epoch.") }
    let learning = shared.learning
    var settings = FineTuneProtocol()
    settings.epochs = learning.epochs ?? settings.epochs
    settings.batchSize = learning.batchSize ?? settings.batchSize
    settings.weightDecay = learning.wd ?? settings.weightDecay
    settings.schedule = learning.schedule ?? settings.schedule
    settings.seed = learning.seed ?? settings.seed
    settings.momentum = momentum ?? settings.momentum
    settings.backboneRate = lr ?? settings.backboneRate
    settings.classifierRate = lrClassifier ?? settings.classifierRate
    settings.testEvery = testEvery ?? settings.testEvery
    return settings
  }

  private func announce(_ tuning: FineTuning, _ console: Console) {
    let settings = tuning.settings
    console.say(
      "\(tuning.train.dataset.count) of \(tuning.available) training images show their label; batch of "
        + "\(settings.batchSize), learning rates \(number(settings.scaled(settings.backboneRate))) and "
        + "\(number(settings.scaled(settings.classifierRate)))")
  }

  private func show(_ name: String, _ trial: ClassifierRun, _ tuning: FineTuning, _ console: Console) {
    guard let last = trial.last, trial.divergedIn == nil else { return }
    console.say(
      "\(name)  epoch \(last.epoch)/\(tuning.settings.epochs)  loss \(fixed(last.loss, 4))  "
        + "top-1 \(fixed(last.top1, 2)) %")
  }

  private func show(
    _ report: FineTuneReport, _ tuned: ClassifierRun, _ scratch: ClassifierRun?, _ classes: [String]
  ) {
    print(
      "fine-tuning on \(labels), \(report.epochs) epochs, \(report.trainImages) of \(report.availableImages) "
        + "training and \(report.testImages) test images")
    print("fine-tuned".padded(to: 14) + tuned.summary)
    if let scratch { print("from scratch".padded(to: 14) + scratch.summary) }
    tuned.lastScore?.printTable(classes)
  }
}

extension LabelSubset: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
