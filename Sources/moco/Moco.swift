import ArgumentParser
import Checkpoints
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

      Exit codes: 0 done, 1 failed, 2 wrong use, 130 and 143 stopped by a signal after saving.
      """,
    version: "moco 0.1.0, LibTorch \(Runtime.version)",
    subcommands: [
      Pretrain.self, KNN.self, Linear.self, Features.self, Search.self, Import.self, Export.self, Check.self,
      Pack.self, Inspect.self, Report.self, Bench.self, Doctor.self,
    ])

  /// Parses and runs. An error is one line on standard error, and its kind decides the exit code.
  static func main() {
    Runtime.keepFreedMemory()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as ExitCode {
      Foundation.exit(error.rawValue)
    } catch let error as UsageError {
      fail(error.description, code: 2)
    } catch  where isForArgumentParser(error) {
      let code = exitCode(for: error)
      guard code != .success else {
        print(fullMessage(for: error))
        Foundation.exit(0)
      }
      let text = message(for: error)
      let known = configuration.subcommands.map { String(describing: $0).lowercased() }
      let command =
        CommandLine.arguments.dropFirst().first.flatMap { known.contains($0) ? " " + $0 : nil } ?? ""
      fail("\(text)\(text.hasSuffix(".") ? "" : ".") `moco\(command) --help` shows what there is.", code: 2)
    } catch {
      fail("\(error)", code: 1)
    }
  }

  /// Wrong arguments and requests for help; everything else is a failure of the run.
  private static func isForArgumentParser(_ error: any Error) -> Bool {
    error is CleanExit || error is ValidationError || exitCode(for: error) != .failure
  }

  private static func fail(_ message: String, code: Int32) -> Never {
    FileHandle.standardError.write(Data("moco: \(message)\n".utf8))
    Foundation.exit(code)
  }
}

extension DeviceChoice: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
