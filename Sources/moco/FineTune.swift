import ArgumentParser
import Data
import Distributed
import Evaluation
import Files
import Foundation
import Models
import Torch
import Training

struct FineTune: TakesKeys {
  typealias Config = FineTuneConfig

  static let configuration = CommandConfiguration(
    commandName: "finetune",
    abstract: "Train the whole encoder and a classifier on labels, of which there may be few.",
    discussion: """
      --labels says how many of the training images may show their label: a share, drawn from the seed with as many \
      of every class as of the others and at least one, or a .txt file with a path a line, as the published subsets \
      of ImageNet are. The network learns from random crops and flips with batch normalisation in training mode, and \
      is tested on centre crops. --from-scratch trains the same network from random weights beside it: what the \
      encoder brought is the difference.

      A recipe sets every option of the second list; the command line overrides it. few-labels is this program's own, \
      because the paper gives no rates for it: 50 epochs, batch 64, cosine, weight decay 1e-4, learning rates 0.1 of \
      the backbone and 1 of the classifier. imagenet and inaturalist are the paper's for all labels, deit is that of \
      MoCo v3's vision transformers. Learning rates are those of a batch of 256; with another they are scaled. A \
      fresh network may need others: compare with the best of each.

      Ctrl-C ends it after the current step. What is kept are the whole epochs, and those with --checkpoints alone.

        moco finetune runs/photos --train labelled/train --test labelled/test --labels 1% --from-scratch
        moco finetune runs/vit --train labelled/train --test labelled/test --recipe deit --layer-decay 0.65
      """)

  @OptionGroup var shared: ClassifierOptions
  @Option(help: "\(FineTuneRecipe.names.joined(separator: ", ")), or the path of a .yaml file.")
  var recipe = FineTuneRecipe.standard
  @Option(
    help: ArgumentHelp(
      "Training images that show their label: 1%, 10%, 100%, or a .txt list.", valueName: "labels"))
  var labels = LabelSubset.all
  @Flag(help: "Train the same network from random weights too.")
  var fromScratch = false
  @Option(
    help: ArgumentHelp(
      "Write the fine-tuned network, for every command that takes a checkpoint.",
      valueName: "file.safetensors"))
  var out: String?
  @Option(
    help: ArgumentHelp(
      "Keep the state after each epoch there; the same command again goes on from it, bit for bit.",
      valueName: "folder"))
  var checkpoints: String?
  @Flag(help: "Print the resolved recipe as YAML and leave.")
  var printConfig = false

  func run() throws {
    let config = try config()
    if printConfig {
      print(try config.yaml(), terminator: "")
      return
    }
    try shared.check()
    if let out { try checkCheckpointOutput(out) }
    StopRequest.install()
    let console = Console(quiet: shared.json)
    let opened = try shared.open(console)
    let sets = try shared.sets(opened.input, console)
    let tuning = try FineTuning(
      opened.spec, train: sets.train, labels: labels, test: sets.test, settings: config.settings,
      fitsBatch: keys.argument("batch-size") == nil, device: opened.device)
    Runtime.allowTF32(config.tf32)
    announce(tuning, console)
    shared.warnIfSame(tuning.isSame, console)

    let identity = try config.identity(batchSize: tuning.settings.batchSize)
    func run(_ name: String, from encoder: ImageEncoder?) throws -> FineTuning.Outcome {
      let folder = checkpoints.map { "\($0.withoutSlash)/\(name.replacing(" ", with: "-"))" }
      do {
        return try tuning.run(
          from: encoder, keptIn: folder, identity: identity,
          progress: { show(name, $0, tuning, console) }, isStopped: { StopRequest.signal != nil })
      } catch let stop as FineTuningStopped {
        show(stop, of: name, keptIn: folder)
        throw ExitCode(StopRequest.signal.map(StopRequest.exitCode) ?? EXIT_FAILURE)
      }
    }
    let tuned = try run("fine-tuned", from: opened.encoder.network)
    console.warn(unreadable: tuned.unreadable)
    if let divergence = tuned.divergence { throw divergence }
    // Early, but a failure is reported after the results.
    let written = Result { if let out { try tuned.write(to: out) } }
    let scratch = try fromScratch ? run("from scratch", from: nil) : nil

    let classes = tuning.train.dataset.classNames
    let rates =
      "--lr \(number(tuning.settings.backboneRate)), --lr-classifier \(number(tuning.settings.classifierRate))"
    if let warning = tuned.trial.warning(classes: classes.count, rates: rates) { console.warn(warning) }
    let report = FineTuneReport(
      tuning, labels, recipe: recipe, values: config.effectiveValues, fineTuned: tuned.trial,
      fromScratch: scratch?.trial)
    if shared.json { try printJSON(report) } else { show(report, tuned.trial, scratch?.trial, classes) }
    try written.get()
    if let out, !shared.json { print("the network after the last epoch: \(out)") }
    try shared.writeConfusion(tuned.trial.lastScore, classes)
  }

  /// The recipe with the options of the command line.
  private func config() throws -> FineTuneConfig {
    var base = try FineTuneConfig.recipe(recipe)
    // Before the other options, which may give a schedule of their own.
    if let epochs = keys.argument("epochs").flatMap({ Int($0) }), epochs > 0 {
      base = base.stretched(to: epochs)
    }
    let config = try keys.applied(to: base)
    try config.validate()
    try keys.checkUse(in: [config])
    return config
  }

  private func announce(_ tuning: FineTuning, _ console: Console) {
    let settings = tuning.settings
    console.say(
      "\(tuning.train.dataset.count) of \(tuning.available) training images show their label; batch of "
        + "\(settings.batchSize), learning rates \(number(settings.scaled(settings.backboneRate))) and "
        + "\(number(settings.scaled(settings.classifierRate)))")
    if let warning = settings.warning { console.warn(warning) }
  }

  /// The line that a stopped training ends with, with --json too.
  private func show(_ stop: FineTuningStopped, of name: String, keptIn folder: String?) {
    let rest =
      if let folder {
        stop.kept == 0
          ? "It has no whole epoch; the same command begins it again."
          : "\(folder) has its state after epoch \(stop.kept); the same command goes on from there."
      } else {
        "Nothing is kept. With --checkpoints FOLDER the same command goes on after the last whole epoch."
      }
    Console().say("\(name)  stopped by a signal in epoch \(stop.epoch). \(rest)")
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
      "fine-tuning on \(labels), \(report.epochs) epoch\(report.epochs == 1 ? "" : "s"), "
        + "\(report.trainImages) of \(report.availableImages) training images, of \(report.trainClasses) class\(report.trainClasses == 1 ? "" : "es"), and "
        + "\(report.testImages) test images of \(report.testClasses)")
    print("fine-tuned".padded(to: 14) + tuned.summary(classes: classes.count))
    if let scratch { print("from scratch".padded(to: 14) + scratch.summary(classes: classes.count)) }
    tuned.lastScore?.printTable(classes)
  }
}

extension LabelSubset: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
