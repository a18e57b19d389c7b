import ArgumentParser
import Distributed
import Files
import Foundation
import Methods
import Training

struct Pretrain: TakesKeys {
  static let configuration = CommandConfiguration(
    abstract: "Learn an encoder from images without labels.",
    discussion: """
      DATA is a folder of images or of class folders, a list (.txt, .csv), a zip file, tar shards or their index, or a \
      data set as it is downloaded (docs/guide/formats.md). Shards are named as 'train-{000..127}.tar' or 'train-*.tar' (also .tar.gz, \
      .tgz, .tar.zst), by their folder, or by a command that writes them: \
      'pipe:curl -s https://…/train-{000..127}.tar'; several of these with :: between them. Class names are not used for \
      training.

      A recipe sets every option; the command line overrides it. The run folder holds config.yaml, log.jsonl, TensorBoard's \
      event files and checkpoints. The same command again continues a run that was stopped or killed, bit for bit.

        moco pretrain imagenet/train --recipe v2 --out runs/v2
        moco pretrain photos/ --recipe cifar --arch resnet20 --out runs/photos
        moco pretrain xrays/ --recipe v2 --init moco_v2_200ep_pretrain.pth.tar --out runs/xrays
        moco pretrain imagenet/train --resume runs/v2 --epochs 400 --out runs/v2-400
      """)

  @Argument(help: "Images to learn from.")
  var data: String?
  @Option(help: ArgumentHelp("The run's folder.", valueName: "folder"))
  var out: String?
  @Option(
    help:
      "\(Recipe.names.joined(separator: ", ")), or the path of a .yaml file. v2 unless given; with --resume PATH the options of that run."
  )
  var recipe: String?
  @Option(help: Pretraining.Resume.help)
  var resume = Pretraining.Resume.auto
  @OptionGroup var ranks: RankOptions
  @Flag(help: "Print the resolved recipe as YAML and leave.")
  var printConfig = false
  @Flag(help: "Only warnings and errors.")
  var quiet = false
  func run() throws {
    let config = try keys.applied(to: base())
    try config.validate()
    try keys.checkUse(in: [config])
    if printConfig {
      print(try config.yaml(), terminator: "")
      return
    }
    guard let data else { throw UsageError("DATA is missing: the folder of images to learn from.") }
    guard let out else { throw UsageError("--out is missing: the folder for the run's log and checkpoints.") }
    StopRequest.install(saves: true)
    // As given: ranks may start in other working folders, and --out is rank 0's.
    let claims = RankClaims([("--out", out), ("--resume", resume.text)] + config.settingsOfAllRanks)
    let check = { try config.continuing(out, resume: resume.resolved(in: out)).validate(ranks: $0) }
    try ranks.run(timeout: .seconds(config.timeout), claims: claims, check: check) { context in
      let console = Console(quiet: quiet, silent: !context.isFirst)
      let run = try context.run {
        try Pretraining(
          config, data: data, out: out, resume: resume, context: context, began: Moco.began, console: console)
      }
      switch try run.run() {
      case .finished: console.say("Done. Measure it: moco knn \(out) --train DATA --test DATA")
      case .stopped(let signal): throw ExitCode(StopRequest.exitCode(signal))
      }
    }
  }
}

extension Pretrain {
  /// The program notes it, and nobody gives it.
  static let otherwiseUsed: Set<String> = ["carried-from"]

  /// The options before those of the command line.
  private func base() throws -> RunConfig {
    guard case .from(let path) = resume else { return try .recipe(recipe ?? "v2") }
    if keys.argument("init") != nil {
      throw UsageError(
        "--init and --resume \(path) contradict each other: a run that goes on has its weights. Give one of them."
      )
    }
    guard let recipe else { return try RunConfig(carrying: path, to: out ?? "") }
    return try .recipe(recipe)
  }
}

extension Pretraining.Resume: ExpressibleByArgument {
  static let help = ArgumentHelp(
    "auto continues the run in the folder; never refuses a folder that holds one; a path carries that run on in a new "
      + "folder, also with other options or on other images.", valueName: "how")

  package init?(argument: String) {
    switch argument {
    case "auto": self = .auto
    case "never": self = .never
    default: self = .from(argument)
    }
  }

  package var defaultValueDescription: String { "auto" }

  /// The argument.
  var text: String {
    switch self {
    case .auto: "auto"
    case .never: "never"
    case .from(let path): path
    }
  }
}
