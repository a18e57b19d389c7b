import ArgumentParser
import Distributed
import Files
import Foundation
import Training

/// Several processes for one command, started by --nproc here, or by torchrun, srun or mpirun.
struct RankOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Start so many processes on this machine, which share the work. Under torchrun, srun or mpirun leave it out.",
      valueName: "ranks"))
  var nproc: Int?

  /// Runs `body` as one rank of several if a launcher started this process, else as the only one. With
  /// --nproc this process only starts the ranks and waits for them.
  /// - Parameters:
  ///   - timeout: The limit of every wait for other ranks.
  ///   - claims: Settings that must be the same in all ranks.
  ///   - check: Called with the number of ranks before any is started; it may throw.
  func run(
    timeout: Duration, claims: RankClaims, check: (_ ranks: Int) throws -> Void = { _ in },
    _ body: (RankContext) throws -> Void
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
    if environment == nil, let warning = RankEnvironment.warning() { Console().warn(warning) }
    let context = try RankContext.meet(environment, claims: claims, timeout: timeout)
    defer { context.leave() }
    try body(context)
  }

  /// Seconds that ranks of an evaluation wait for one another: some read faster than others.
  static let patience = 1800.0

  /// The same for an evaluation, which ends with the first failure of a rank. Ranks wait for one another up
  /// to half an hour: some read faster than others.
  /// - Parameter settings: Settings that must be the same in all ranks, by name.
  func evaluate(
    _ settings: [(name: String, value: String)], _ body: (RankContext) throws -> Void
  ) throws {
    // The launcher's ranks have nothing to save: a forwarded signal ends them.
    if nproc != nil, !RankLauncher.hasStartedThisProcess { StopRequest.install(isSilent: true) }
    try run(timeout: .seconds(Self.patience), claims: RankClaims(settings)) { context in
      try context.run { try body(context) }
    }
  }
}
