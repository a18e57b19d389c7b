import ArgumentParser
import Distributed
import Files
import Reports
import Training

struct Ablate: TakesKeys {
  static let otherwiseUsed: Set<String> = ["carried-from"]

  static let configuration = CommandConfiguration(
    abstract: "Compare settings or methods: a grid of runs, a table, figures.",
    discussion: """
      SPEC is one of \(AblationSpec.Ready.allCases.map(\.rawValue).joined(separator: ", ")), or a YAML file: a recipe, \
      keys that all runs share, and a grid of the keys that are compared. Every combination is trained with every seed \
      and measured by kNN.

      The folder holds the runs, results.md, results.csv and the figures (SVG). The same command again continues, and \
      repeats nothing. Started several times with one folder, on several GPUs say, the processes share the work. A run \
      whose loss becomes infinite, or not a number, is a result: fail.

        moco ablate momentum cifar/train --knn-test cifar/test --out ablations/m
        moco ablate momentum --print-spec > mine.yaml
        moco ablate mine.yaml cifar/train --knn-test cifar/test --out mine --list
      """)

  @Argument(help: "What to compare.")
  var spec: String
  @Argument(help: "Images to learn from; labelled, unless --knn-train names others.")
  var data: String?
  @Option(help: ArgumentHelp("Folder for the runs and what came out of them.", valueName: "folder"))
  var out: String?
  @Option(help: ArgumentHelp("Instead of the spec's: 1,2,3.", valueName: "seeds"))
  var seeds: Values<UInt64>?
  @Flag(help: "Show the runs and how they stand, and train nothing.")
  var list = false
  @Flag(help: "Print the spec itself, to be changed, and train nothing.")
  var printSpec = false
  @Flag(help: "Only warnings and errors.")
  var quiet = false

  func run() throws {
    if printSpec { return print(try AblationSpec.text(spec), terminator: "") }
    guard let data else { throw UsageError("DATA is missing: the images to learn from.") }
    guard let out else {
      throw UsageError("--out is missing: a folder for the runs and what came out of them.")
    }
    guard keys.argument("seed") == nil else {
      throw UsageError("--seed: an ablation has several; give --seeds 1,2,3.")
    }
    var spec = try AblationSpec(spec) { config in
      var config = try keys.applied(to: config)
      if config.knnTest != nil, config.knnTrain == nil { config.knnTrain = data }
      return config
    }
    try keys.checkUse(in: spec.cells.map(\.config))
    if let seeds = seeds?.all {
      guard Set(seeds).count == seeds.count else { throw UsageError("--seeds: a seed is named twice.") }
      spec.seeds = seeds
    }
    let console = Console(quiet: quiet)
    let ablation = try Ablation(spec, data: data, out: out, command: Moco.typed, console: console)
    guard !list else { return print(try ablation.plan, terminator: "") }
    StopRequest.install(saves: true)
    switch try ablation.run() {
    case .finished: print("table: \(ablation.resultsPath)")
    case .shared(let runs):
      print(
        "\(runs) \(runs == 1 ? "run is" : "runs are") being trained by others; so far: \(ablation.resultsPath)"
      )
    case .stopped(let signal): throw ExitCode(StopRequest.exitCode(signal))
    }
  }
}
