import Files
import Foundation
import Torch

/// The launcher's variables for a process: its rank and the address of the store.
package struct RankEnvironment: Sendable, Equatable {
  package var rank: Rank
  /// Its number among the processes on this machine, or among those that see the same GPUs; also the number
  /// of its GPU.
  package var localNumber: Int
  /// The address of the key-value store.
  package var host: String
  package var port: UInt16
  /// Whether rank 0 serves the store; otherwise the launcher does.
  package var isServedByRank0: Bool
  /// Processes on this machine, which share its cores; 1 where nobody said.
  package var localCount: Int
  /// Tells a restart from the attempt before, whose keys are still in the launcher's store.
  package var attempt: String

  package init(
    rank: Rank, localNumber: Int, host: String, port: UInt16, isServedByRank0: Bool, localCount: Int = 1,
    attempt: String = ""
  ) {
    (self.rank, self.localNumber, self.host, self.port) = (rank, localNumber, host, port)
    (self.isServedByRank0, self.localCount, self.attempt) = (isServedByRank0, localCount, attempt)
  }

  /// Reads the variables of `torchrun` (which `--nproc` sets too), of Slurm's `srun`, or of Open MPI's
  /// `mpirun`.
  /// - Returns: nil for a process without a launcher.
  /// - Throws: ``UsageError`` that names the missing or invalid variable.
  package static func read(_ variables: [String: String] = ProcessInfo.processInfo.environment) throws
    -> RankEnvironment?
  {
    let given = Variables(variables)
    if variables["RANK"] != nil, variables["WORLD_SIZE"] != nil { return try torchrun(given) }
    if variables["SLURM_PROCID"] != nil, variables["SLURM_STEP_NUM_TASKS"] != nil { return try slurm(given) }
    if variables["OMPI_COMM_WORLD_RANK"] != nil { return try openMPI(given) }
    return nil
  }

  /// The first number of Slurm's `8(x3),4`.
  private static func tasksPerNode(_ list: String?) -> Int {
    max(1, list.flatMap { Int($0.prefix { $0.isNumber }) } ?? 1)
  }

  private static func torchrun(_ given: Variables) throws -> RankEnvironment? {
    try RankEnvironment(
      rank: given.rank("RANK", of: "WORLD_SIZE"), localNumber: given.number("LOCAL_RANK", or: 0),
      host: given.text("MASTER_ADDR"), port: given.port("MASTER_PORT"),
      isServedByRank0: given.values["TORCHELASTIC_USE_AGENT_STORE"] != "True",
      localCount: max(1, given.number("LOCAL_WORLD_SIZE", or: 1)),
      attempt: given.values["TORCHELASTIC_RESTART_COUNT"].map { "attempt-\($0)/" } ?? "")
  }

  private static func slurm(_ given: Variables) throws -> RankEnvironment? {
    let rank = try given.rank("SLURM_PROCID", of: "SLURM_STEP_NUM_TASKS")
    guard rank.count > 1 else { return nil }
    // Two jobs on one machine need two ports; all ranks of a job must choose the same port.
    let job = try given.number("SLURM_JOB_ID", or: 0)
    return try RankEnvironment(
      rank: rank, localNumber: given.hasOwnGPU ? 0 : given.number("SLURM_LOCALID", or: 0),
      host: given.values["MASTER_ADDR"] ?? firstHost(of: given.text("SLURM_STEP_NODELIST")),
      port: given.values["MASTER_PORT"] == nil ? UInt16(20000 + job % 20000) : given.port("MASTER_PORT"),
      isServedByRank0: true, localCount: tasksPerNode(given.values["SLURM_STEP_TASKS_PER_NODE"]))
  }

  private static func openMPI(_ given: Variables) throws -> RankEnvironment? {
    let rank = try given.rank("OMPI_COMM_WORLD_RANK", of: "OMPI_COMM_WORLD_SIZE")
    guard rank.count > 1 else { return nil }
    let isOneMachine = try given.number("OMPI_COMM_WORLD_LOCAL_SIZE", or: 0) == rank.count
    return try RankEnvironment(
      rank: rank, localNumber: given.hasOwnGPU ? 0 : given.number("OMPI_COMM_WORLD_LOCAL_RANK", or: 0),
      host: isOneMachine ? given.values["MASTER_ADDR"] ?? "127.0.0.1" : given.text("MASTER_ADDR"),
      port: given.values["MASTER_PORT"] == nil ? 29500 : given.port("MASTER_PORT"), isServedByRank0: true,
      localCount: max(1, given.number("OMPI_COMM_WORLD_LOCAL_SIZE", or: 1)))
  }

  /// The first name of Slurm's `node[07-12,15],other`.
  static func firstHost(of list: String) -> String {
    guard let bracket = list.firstIndex(of: "["), !list[..<bracket].contains(",") else {
      return String(list.prefix { $0 != "," })
    }
    let number = list[list.index(after: bracket)...].prefix { $0.isNumber }
    let rest = list[bracket...].drop { $0 != "]" }.dropFirst().prefix { $0 != "," }
    return String(list[..<bracket] + number + rest)
  }

  private struct Variables {
    let values: [String: String]
    init(_ values: [String: String]) { self.values = values }

    /// Whether the launcher gives each process one GPU only, as `srun --gpus-per-task 1` does.
    var hasOwnGPU: Bool { values["CUDA_VISIBLE_DEVICES"].map { !$0.isEmpty && !$0.contains(",") } ?? false }

    func text(_ name: String) throws -> String {
      guard let value = values[name], !value.isEmpty else {
        throw UsageError(
          "\(name) is not set, although other variables say that this is one of several ranks. Set it to the host "
            + "and port of rank 0 (MASTER_ADDR, MASTER_PORT), or use torchrun or --nproc.")
      }
      return value
    }

    func number(_ name: String, or other: Int? = nil) throws -> Int {
      if values[name] == nil, let other { return other }
      let value = try text(name)
      guard let number = Int(value), number >= 0 else {
        throw UsageError("\(name)=\(value): expected a number from 0 on.")
      }
      return number
    }

    func port(_ name: String) throws -> UInt16 {
      let number = try number(name)
      guard let port = UInt16(exactly: number), port > 0 else {
        throw UsageError("\(name)=\(number): a port is a number from 1 to 65535.")
      }
      return port
    }

    func rank(_ number: String, of count: String) throws -> Rank {
      let (own, all) = (try self.number(number), try self.number(count))
      guard own < all else {
        throw UsageError("\(number)=\(own), \(count)=\(all): ranks are numbered from 0.")
      }
      return Rank(own, of: all)
    }
  }
}
