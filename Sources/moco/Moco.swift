import ArgumentParser
import Distributed
import Files
import Foundation
import Torch
import Training

@main
struct Moco: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moco",
    abstract: "Momentum Contrast: pre-train visual encoders on unlabelled images.",
    discussion: """
      A first run, on a folder of images and on a CPU:

        moco pretrain photos/ --recipe cifar --arch resnet8 --out runs/photos
        moco knn runs/photos --train labelled/train --test labelled/test

      Exit codes: 0 done, 1 failed, 2 wrong use; after saving: 75 ended by SIGUSR1 or SIGUSR2 (--on-usr1 stop), 129, \
      130 and 143 by SIGHUP, SIGINT and SIGTERM.
      """,
    version: "moco 0.1.0, LibTorch \(Runtime.version)",
    subcommands: [
      Pretrain.self, Ablate.self, KNN.self, Linear.self, FineTune.self, Detect.self, Segment.self,
      Features.self, Search.self, Import.self, Export.self, Check.self, Evaluate.self,
      Pack.self, Index.self, Inspect.self, Report.self, Bench.self, Plan.self, Doctor.self,
      Transfer.self,
    ])

  /// The commands whose time is LibTorch's.
  private static let computing: [any ParsableCommand.Type] = [
    Pretrain.self, Ablate.self, KNN.self, Linear.self, FineTune.self, Detect.self, Segment.self,
    Features.self, Search.self, Bench.self, Plan.self,
  ]

  /// The start of the program.
  static let began = ContinuousClock.now

  /// Parses and runs. An error is one line on standard error, and its kind selects the exit code.
  static func main() {
    _ = began
    ChildProcess.dieWithParent()
    Runtime.keepFreedMemory()
    Runtime.silenceLog()
    Cores.limitThreads()
    let arguments = Array(CommandLine.arguments.dropFirst())
    if let place = arguments.firstIndex(where: { $0.isEmpty || $0.hasPrefix("--") && $0.hasSuffix("=") }) {
      fail(emptyArgument(place, of: arguments), code: 2)
    }
    if computing.contains(where: { $0.name == arguments.first }) { ThreadWaiting.shorten() }
    let named = named(by: arguments)
    do {
      let keys = try (named as? any TakesKeys.Type).map { try KeyArguments(arguments, keys: $0.keys) }
      try KeyArguments.$ofCommand.withValue(keys ?? KeyArguments()) {
        var command = try parseAsRoot(keys?.rest ?? arguments)
        try command.run()
      }
      try StandardOutput.finish()
    } catch let error as KeyArguments.Malformed {
      fail(inOneLine(error.message, of: arguments), code: 2)
    } catch let error as ExitCode {
      end(error.rawValue)
    } catch let failure as RankFailure {
      // The launcher reports the failure; ranks it started stay silent.
      if RankLauncher.hasStartedThisProcess || failure.description.isEmpty { Foundation.exit(failure.code) }
      fail(failure.description, code: failure.code)
    } catch  where error.isWrongUse {
      fail("\(error)", code: 2)
    } catch  where isForArgumentParser(error) {
      let code = exitCode(for: error)
      guard code != .success else {
        print(fullMessage(for: error))
        if let taking = named as? any TakesKeys.Type,
          arguments.contains(where: ["help", "-h", "--help"].contains)
        {
          let help = KeyArguments.help(
            taking.keys, title: "Options of the recipe", note: taking.noteOfHelp)
          print("\n" + help, terminator: "")
        }
        end(0)
      }
      fail(inOneLine(message(for: error), of: arguments), code: 2)
    } catch {
      fail("\(error)", code: 1)
    }
  }

  /// A variable of the shell that is not set leaves an empty argument.
  private static func emptyArgument(_ place: Int, of arguments: [String]) -> String {
    let word = arguments[place]
    let before = place > 0 ? " after `\(arguments[place - 1])`" : ""
    return (word.isEmpty ? "an argument\(before) is empty" : "`\(word)` has no value")
      + ". Name a file, a folder or a value there; perhaps a variable of the shell is not set."
  }

  /// The error in the arguments, the correct form, and where to find help.
  static func inOneLine(_ message: String, of arguments: [String]) -> String {
    let known = configuration.subcommands.map { String(describing: $0).lowercased() }
    let first = arguments.first ?? ""
    guard first.isEmpty || first.hasPrefix("-") || known.contains(first) else {
      return "There is no command `\(first)`.\(suggestion(for: first, among: known)) "
        + "`moco --help` shows what there is."
    }
    // ArgumentParser prints long lists over several lines.
    var text = message.replacing(":\n  - ", with: ": ").replacing("\n  - ", with: ", ")
    if let value = text.wholeMatch(of: /.* is invalid for '--[a-z0-9-]+ <([a-z]+)>'/)?.1,
      let form = forms[String(value)]
    {
      text += ": give \(form)"
    }
    if let option = text.firstMatch(of: /^Unknown option '(--[^']+)'/)?.1,
      let keys = (named(by: arguments) as? any TakesKeys.Type)?.keys
    {
      let nearest = suggestion(for: String(option), among: keys.map { "--\($0.name)" })
      if !nearest.isEmpty { text = "Unknown option '\(option)'.\(nearest)" }
    }
    let command = known.contains(first) ? " " + first : ""
    let isSentence = text.hasSuffix(".") || text.hasSuffix("?")
    return "\(text)\(isSentence ? "" : ".") `moco\(command) --help` shows what there is."
  }

  /// The meaning of the placeholders in the help, for options without a fixed list.
  private static let forms = [
    "n": "a whole number", "pixels": "a whole number", "m": "a number such as 0.9",
    "t": "a number such as 0.1", "rate": "a number such as 0.03", "decay": "a number such as 1e-4",
    "fraction": "a number such as 0.2", "rates": "numbers with commas such as 1,10,30",
    "seeds": "whole numbers with commas such as 1,2,3",
    "share": "a share such as 5% or 0.05", "labels": "a share such as 1%, or the path of a .txt list",
    "schedule": Schedule.form, "speed": "a speed such as 25Gbit/s or 3GB/s",
    "device": "auto, cpu, cuda, cuda:1 or mps",
  ]

  /// Wrong arguments and requests for help; all other errors are failures of the run.
  private static func isForArgumentParser(_ error: any Error) -> Bool {
    error is CleanExit || error is ValidationError || exitCode(for: error) != .failure
  }

  /// Ends with this code, or by an error where the output was lost.
  private static func end(_ code: Int32) -> Never {
    do {
      if code == 0 { try StandardOutput.finish() }
    } catch {
      fail("\(error)", code: 1)
    }
    Foundation.exit(code)
  }

  private static func fail(_ message: String, code: Int32) -> Never {
    FileHandle.standardError.write(Data("moco: \(message)\n".utf8))
    Foundation.exit(code)
  }
}
