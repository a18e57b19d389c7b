import ArgumentParser
import Distributed
import Files
import Foundation
import Torch

/// Several processes for one command: started here by --nproc, or by torchrun, srun or mpirun.
struct RankOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Start so many processes on this machine, which share the work. Under torchrun, srun or mpirun leave it out.",
      valueName: "ranks"))
  var nproc: Int?

  /// Runs `body` as one rank of several where a launcher says so, else as the only one. With --nproc this process starts
  /// the ranks and only waits for them.
  /// - Parameters:
  ///   - timeout: How long ranks wait for one another.
  ///   - check: Refuses so many ranks before any is started.
  func run(
    timeout: Duration, check: (_ ranks: Int) throws -> Void = { _ in }, _ body: (RankContext) throws -> Void
  ) throws {
    let environment = try RankEnvironment.read()
    if let nproc, !RankLauncher.hasStartedThisProcess {
      guard environment == nil else {
        throw UsageError("--nproc \(nproc): another launcher has started this process already; leave it out.")
      }
      guard (1...1024).contains(nproc) else { throw UsageError("--nproc \(nproc): 1 to 1024 processes.") }
      try check(nproc)
      return try RankLauncher(count: nproc).run(CommandLine.arguments)
    }
    RankLauncher.dieWithLauncher()
    let context = try RankContext.meet(environment, timeout: timeout)
    defer { context.leave() }
    try body(context)
  }

  /// The same for an evaluation, which ends with the first failure of a rank. Ranks have half an hour for one another:
  /// some read faster than others.
  func evaluate(_ body: (RankContext) throws -> Void) throws {
    try run(timeout: .seconds(1800)) { context in try context.run { try body(context) } }
  }
}
