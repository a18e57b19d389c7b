import ArgumentParser
import Distributed
import Files
import Foundation
import Reports
import Training

struct Transfer: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare encoders by tasks: the papers' transfer tables.",
    discussion: """
      SPEC is one of \(TransferTableSpec.Ready.allCases.map(\.rawValue).joined(separator: ", ")), or a YAML file: rows are \
      starts (random weights, files, runs, or pre-trainings that are made first), columns are tasks (detect, segment, \
      finetune, linear, knn). Every cell is run with every seed as a command of this program.

      The folder holds the cells, results.md, results.csv and the page results.html. The same command again continues, and \
      repeats nothing. Started several times with one folder, the processes share the work. A cell that fails is a result, \
      with its reason, and does not change the exit code; --retry-failed tries it once more.

        moco transfer small --data imagenette=imagenette --data bccd=BCCD --data pennfudan=pennfudan --out small
        moco transfer table2 --data voc=VOCdevkit --start supervised=resnet50.pth --start MoCo=moco_v2.pth.tar --out t2
        moco transfer small --print-spec > mine.yaml
      """)

  @Argument(help: "What to compare.")
  var spec: String
  @Option(help: ArgumentHelp("Folder for the cells and the table.", valueName: "folder"))
  var out: String?
  @Option(help: ArgumentHelp("Where the spec's data lie; once for each.", valueName: "name=path"))
  var data: [String] = []
  @Option(
    help: ArgumentHelp(
      "Weights of a start: a run or a file. Another name makes another row.", valueName: "name=weights")
  )
  var start: [String] = []
  @Option(
    help: ArgumentHelp(
      "A setting, as pretrain.epochs=5, detect.steps=300, or of a single task or start by its name.",
      valueName: "of.key=value"))
  var set: [String] = []
  @Option(help: ArgumentHelp("A start or task to leave out.", valueName: "name"))
  var skip: [String] = []
  @Option(help: ArgumentHelp("Instead of the spec's: 1,2,3.", valueName: "seeds"))
  var seeds: Values<UInt64>?
  @Option(
    help: ArgumentHelp(
      "Runs the cells in place of this program, such as a script that goes to another machine.",
      valueName: "path"))
  var program: String?
  @Flag(help: "Try failed cells once more.")
  var retryFailed = false
  @Flag(help: "Show the cells and how they stand, and run nothing.")
  var list = false
  @Flag(help: "Print the spec itself, to be changed, and run nothing.")
  var printSpec = false
  @Flag(help: "Only warnings and errors.")
  var quiet = false

  func run() throws {
    if printSpec { return print(try TransferTableSpec.text(spec), terminator: "") }
    guard let out else { throw UsageError("--out is missing: a folder for the cells and the table.") }
    guard try RankEnvironment.read() == nil else {
      throw UsageError(
        "transfer is not one of several ranks: start it by itself, on each machine with the same --out.")
    }
    let transfer = try TransferTable(
      TransferTableSpec(spec, options()), out: out, command: Moco.typed, program: try ownProgram(),
      console: Console(quiet: quiet), check: Moco.checkCommand)
    if retryFailed { try transfer.retryFailures() }
    guard !list else { return print(try transfer.plan, terminator: "") }
    StopRequest.install(saves: true)
    switch try transfer.run() {
    case .finished: print("table: \(transfer.tablePath)\npage: \(transfer.pagePath)")
    case .shared(let cells):
      print("\(cells) \(cells == 1 ? "cell is" : "cells are") left to others; so far: \(transfer.pagePath)")
    case .stopped(let signal): throw ExitCode(StopRequest.exitCode(signal))
    }
    if let failures = try transfer.failureSummary { print(failures) }
  }

  private func ownProgram() throws -> String {
    guard let program else { return ChildProcess.program }
    guard FileManager.default.isExecutableFile(atPath: program) else {
      throw UsageError("--program \(program): there is no such program. Give the path of one.")
    }
    return absolute(program)
  }

  private func options() throws -> TransferTableOptions {
    func pairs(_ texts: [String], _ option: String, _ form: String) throws -> [TransferTableOptions.Pair] {
      try texts.map { text in
        guard let pair = TransferTableOptions.Pair(text) else {
          throw UsageError("\(option) \(text): give \(form).")
        }
        return pair
      }
    }
    var options = TransferTableOptions()
    options.data = try pairs(data, "--data", "a name of the spec and a path, as photos=/data/photos")
    options.starts = try pairs(start, "--start", "a name and weights, as supervised=resnet50.pth")
    options.settings = try pairs(set, "--set", "a setting and its value, as detect.steps=300")
    options.skipped = skip
    if let seeds = seeds?.all {
      guard Set(seeds).count == seeds.count else { throw UsageError("--seeds: a seed is named twice.") }
      options.seeds = seeds
    }
    return options
  }
}

extension Moco {
  /// Raises an error for a command line, without the program, that would not be taken: an unknown option, a value of another
  /// form, a setting that the recipe does not use.
  static func checkCommand(_ arguments: [String]) throws {
    do {
      guard let command = named(by: arguments) as? any TakesKeys.Type else {
        _ = try parseAsRoot(arguments)
        return
      }
      let keys = try KeyArguments(arguments, keys: command.keys)
      _ = try parseAsRoot(keys.rest)
      try check(keys, of: command, arguments)
    } catch let error as UsageError {
      throw error
    } catch let error as KeyArguments.Malformed {
      throw UsageError(inOneLine(error.message, of: arguments))
    } catch {
      throw UsageError(inOneLine(message(for: error), of: arguments))
    }
  }

  private static func check<Command: TakesKeys>(
    _ keys: KeyArguments, of command: Command.Type, _ arguments: [String]
  ) throws {
    guard let place = arguments.firstIndex(of: "--recipe"), arguments.indices.contains(place + 1) else {
      return
    }
    let recipe = try Command.Config.recipe(arguments[place + 1])
    try keys.checkUse(in: [keys.applied(to: recipe)])
  }
}
