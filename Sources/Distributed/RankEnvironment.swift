import Files
import Foundation
import Torch

/// A process's place among the ranks of its launch, and the address of their store.
package struct RankEnvironment: Sendable, Equatable {
  package var rank: Rank
  /// Its number among the processes on this machine, or among those that see the same GPUs; also the number
  /// of its GPU.
  package var localNumber: Int
  /// The address of the key-value store.
  package var host: String
  /// The store's possible ports, in the order of trying; several if they follow from ``identity``.
  package var ports: [UInt16]
  /// Whether rank 0 serves the store; otherwise the launcher does.
  package var isServedByRank0: Bool
  /// The same in all ranks of one launch, and different in any other launch.
  package var identity: String
  /// Tells a restart from the attempt before, whose keys are still in the launcher's store.
  package var attempt: String

  package init(
    rank: Rank, localNumber: Int, host: String, ports: [UInt16], isServedByRank0: Bool, identity: String = "",
    attempt: String = ""
  ) {
    (self.rank, self.localNumber, self.host, self.ports) = (rank, localNumber, host, ports)
    (self.isServedByRank0, self.identity, self.attempt) = (isServedByRank0, identity, attempt)
  }

  /// Reads the variables of the launcher that started this process; see ``Launcher/table``.
  /// - Returns: nil for a single process.
  /// - Throws: ``UsageError`` that names the missing, invalid or contradictory variables.
  package static func read(_ variables: [String: String] = ProcessInfo.processInfo.environment) throws
    -> RankEnvironment?
  {
    let given = LauncherVariables(variables)
    let present = Launcher.table.filter { $0.isPresent(given) }
    guard let first = present.first else { return nil }
    guard !first.decides else { return try first.environment(given) }
    let rank = try first.rank(given)
    for other in present.dropFirst() where !other.startsDaemons {
      let others = try other.rank(given)
      // A launcher of one process leaves the ranks to others.
      guard rank.count > 1 else { return others.count > 1 ? try other.environment(given) : nil }
      guard others == rank else {
        throw UsageError(
          "\(first.shown(given)) (\(first.name)) and \(other.shown(given)) (\(other.name)) do not agree on this "
            + "process's rank. Remove the variables that do not belong to this run.")
      }
    }
    return rank.count > 1 ? try first.environment(given) : nil
  }

  /// A warning for a batch script of several tasks that starts this process by itself instead of with `srun`;
  /// else nil.
  package static func warning(_ variables: [String: String] = ProcessInfo.processInfo.environment) -> String?
  {
    guard variables["SLURM_JOB_ID"] != nil, variables["SLURM_PROCID"] != nil,
      variables["SLURM_STEP_ID"] == nil,
      variables["SLURM_STEP_NUM_TASKS"] == nil,
      let tasks = variables["SLURM_NTASKS"].flatMap({ Int($0) }), tasks > 1
    else { return nil }
    return "this job has \(tasks) tasks, but this process works alone: srun did not start it. "
      + "Write srun before the command, or give --nproc."
  }
}
