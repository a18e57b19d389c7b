import Files
import Foundation
import Torch

/// A program that starts ranks, with the environment variables that it sets for them.
struct Launcher: Sendable {
  let name: String
  /// The variables of the rank, the number of ranks, the rank on this machine, and the number of ranks there.
  let variables: (rank: String, count: String, localRank: String, localCount: String)
  /// Whether its variables are all its own, whatever an outer launcher has set.
  var decides = false
  /// Whether its variables may be those of an inner launcher's daemon.
  var startsDaemons = false
  /// Whether it started this process.
  var isPresent: @Sendable (LauncherVariables) -> Bool
  /// The address of rank 0 and the identity of the launch.
  let meeting: @Sendable (_ launcher: Launcher, LauncherVariables) throws -> Meeting

  struct Meeting {
    var host: String
    /// Nil if launches differ in MASTER_ADDR and MASTER_PORT only.
    var identity: String?
  }

  /// All launchers, inner ones first: `mpirun` starts its daemons by `srun`, and then ranks have the variables of
  /// both; those of Slurm are the daemon's.
  static let table = [own, torchrun, openMPI, hydra, mvapich, slurm, byHand]

  // MARK: - The table

  private static let torch = (
    rank: "RANK", count: "WORLD_SIZE", localRank: "LOCAL_RANK", localCount: "LOCAL_WORLD_SIZE"
  )

  /// ``RankLauncher``.
  private static let own = Launcher(
    name: "--nproc", variables: torch, decides: true, isPresent: { $0.has(RankLauncher.parentVariable) }
  ) { _, given in Meeting(host: try given.text("MASTER_ADDR"), identity: "--nproc") }

  private static let torchrun = Launcher(
    name: "torchrun", variables: torch, decides: true, isPresent: { $0.has("TORCHELASTIC_RUN_ID") }
  ) { _, given in
    Meeting(
      host: try given.text("MASTER_ADDR"),
      identity: "torchrun \(given.values["TORCHELASTIC_RUN_ID"] ?? "") "
        + "\(given.values["TORCHELASTIC_RESTART_COUNT"] ?? "0")")
  }

  private static let openMPI = Launcher(
    name: "Open MPI",
    variables: (
      "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
      "OMPI_COMM_WORLD_LOCAL_SIZE"
    ),
    isPresent: { $0.has("OMPI_COMM_WORLD_RANK") }
  ) { launcher, given in
    let job = ["PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"].lazy.compactMap { given.values[$0] }.first
    return try launcher.meeting(of: given, identity: job.map { "Open MPI job \($0)" })
  }

  /// MPICH and Intel MPI.
  private static let hydra = Launcher(
    name: "MPICH", variables: ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    // `srun --mpi=pmi2` sets the first two, beside its own.
    isPresent: {
      $0.has("PMI_RANK", "PMI_SIZE") && ($0.has("MPI_LOCALNRANKS") || !slurm.isPresent($0))
    }
  ) { launcher, given in try launcher.meeting(of: given, identity: nil) }

  private static let mvapich = Launcher(
    name: "MVAPICH",
    variables: (
      "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE"
    ),
    isPresent: { $0.has("MV2_COMM_WORLD_RANK") }
  ) { launcher, given in try launcher.meeting(of: given, identity: nil) }

  /// A batch script has SLURM_PROCID too, but is not in a step.
  private static let slurm = Launcher(
    name: "Slurm",
    variables: ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
    startsDaemons: true, isPresent: { $0.has("SLURM_PROCID", "SLURM_STEP_NUM_TASKS") }
  ) { _, given in
    let job = "Slurm job \(given.values["SLURM_JOB_ID"] ?? "")"
    return Meeting(
      host: try given.values["MASTER_ADDR"]
        ?? LauncherVariables.firstHost(of: given.text("SLURM_STEP_NODELIST")),
      identity: given.slurmStep ?? job)
  }

  private static let byHand = Launcher(
    name: "set by hand", variables: torch, isPresent: { $0.has("RANK", "WORLD_SIZE") }
  ) { _, given in Meeting(host: try given.text("MASTER_ADDR"), identity: nil) }

  // MARK: - Reading

  /// The variables of the rank with their values.
  func shown(_ given: LauncherVariables) -> String {
    [variables.rank, variables.count].map { "\($0)=\(given.values[$0] ?? "")" }.joined(separator: ", ")
  }

  func rank(_ given: LauncherVariables) throws -> Rank {
    try given.rank(variables.rank, of: variables.count)
  }

  func environment(_ given: LauncherVariables) throws -> RankEnvironment {
    let rank = try rank(given)
    let meeting = try meeting(self, given)
    let ports: [UInt16]
    if given.has("MASTER_PORT") || meeting.identity == nil || decides {
      ports = [try given.port("MASTER_PORT")]
    } else {
      ports = Launcher.ports(of: meeting.identity ?? "")
    }
    let isTorch = variables.rank == Launcher.torch.rank
    return RankEnvironment(
      rank: rank, localNumber: given.hasOwnGPU && !isTorch ? 0 : try given.number(variables.localRank, or: 0),
      host: meeting.host, ports: ports,
      isServedByRank0: given.values["TORCHELASTIC_USE_AGENT_STORE"] != "True" || !decides,
      // Ranks may reach rank 0 by different names, as `localhost` and that of a service.
      identity: meeting.identity ?? "MASTER_PORT \(ports[0])",
      attempt: decides ? given.values["TORCHELASTIC_RESTART_COUNT"].map { "attempt-\($0)/" } ?? "" : "")
  }

  /// The meeting of ranks that an MPI launcher started, on this machine or on several.
  /// - Parameter identity: The launcher's own; without one, and without MASTER_PORT, it is that of the process
  ///   that started the ranks of this machine, or of the Slurm step of the launcher's daemons.
  private func meeting(of given: LauncherVariables, identity: String?) throws -> Meeting {
    let isOneMachine = try given.number(variables.localCount, or: 0) == given.number(variables.count)
    if isOneMachine {
      let starter = given.has("MASTER_PORT") ? nil : StartingProcess(ofChildrenWith: variables.rank)
      return Meeting(
        host: given.values["MASTER_ADDR"] ?? "127.0.0.1", identity: identity ?? starter?.description)
    }
    let identity = identity ?? given.slurmStep
    if let host = given.values["MASTER_ADDR"] ?? (identity == nil ? nil : given.firstHostOfJob) {
      return Meeting(host: host, identity: identity)
    }
    let needed = identity == nil ? "MASTER_ADDR and MASTER_PORT" : "MASTER_ADDR"
    throw UsageError(
      "\(name) started \(try given.number(variables.count)) ranks on several machines, and none of its variables "
        + "names the first. Set \(needed) to the host\(identity == nil ? " and a free port" : "") of rank 0.")
  }

  /// The ports at which the ranks of a launch meet, in the order of trying: a port may be taken, by another
  /// launch too.
  static func ports(of identity: String) -> [UInt16] {
    let hash = identity.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return (0..<8).map { UInt16(20000 + (hash &+ $0 &* 7919) % 20000) }
  }
}
