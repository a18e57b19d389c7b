import Files
import TestSupport
import Testing
@testable import Distributed

/// Variables as real launchers set them: Slurm 22.05, Open MPI 4.1, MPICH 4.0, torchrun of PyTorch 2.11.
@Suite struct RankEnvironmentTests {
  private func slurm(_ rank: Int, of count: Int, step: String = "0") -> [String: String] {
    [
      "SLURM_JOB_ID": "77", "SLURM_STEP_ID": step, "SLURM_PROCID": "\(rank)",
      "SLURM_STEP_NUM_TASKS": "\(count)", "SLURM_LOCALID": "1", "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
      "SLURM_STEP_NODELIST": "a[1-2]", "SLURM_JOB_NODELIST": "a[1-2]",
    ]
  }

  private func openMPI(_ rank: Int, of count: Int, here: Int) -> [String: String] {
    [
      "OMPI_COMM_WORLD_RANK": "\(rank)", "OMPI_COMM_WORLD_SIZE": "\(count)",
      "OMPI_COMM_WORLD_LOCAL_RANK": "\(rank % here)", "OMPI_COMM_WORLD_LOCAL_SIZE": "\(here)",
      "PMIX_NAMESPACE": "2187853825",
    ]
  }

  private func hydra(_ rank: Int, of count: Int, here: Int) -> [String: String] {
    [
      "PMI_RANK": "\(rank)", "PMI_SIZE": "\(count)", "MPI_LOCALRANKID": "\(rank % here)",
      "MPI_LOCALNRANKS": "\(here)", "PMI_FD": "9",
    ]
  }

  private func read(_ variables: [String: String]...) throws -> RankEnvironment? {
    try RankEnvironment.read(variables.reduce(into: [:]) { $0.merge($1) { _, new in new } })
  }

  @Test func ranksThatSeeOneGPUEachCountFrom0() throws {
    let variables = slurm(5, of: 8)
    #expect(try read(variables)?.localNumber == 1)
    #expect(try read(variables, ["CUDA_VISIBLE_DEVICES": "0,1,2,3"])?.localNumber == 1)
    #expect(try read(variables, ["CUDA_VISIBLE_DEVICES": "1"])?.localNumber == 0)
  }

  /// `mpirun -n 4` and `mpiexec -n 4` in a job of two nodes: Slurm's numbers are those of the daemons.
  @Test func mpirunInASlurmJobHasItsOwnNumbers() throws {
    for rank in 0..<4 {
      let daemon = slurm(rank / 2, of: 2)
      for variables in [openMPI(rank, of: 4, here: 2), hydra(rank, of: 4, here: 2)] {
        let found = try #require(try read(daemon, variables))
        #expect(found.rank.number == rank && found.rank.count == 4 && found.localNumber == rank % 2)
        #expect(found.host == "a1", "the first host of the job")
      }
    }
  }

  @Test func srunWithPMI2IsSlurms() throws {
    let found = try #require(try read(slurm(1, of: 2), ["PMI_RANK": "1", "PMI_SIZE": "2"]))
    #expect(found.host == "a1")
  }

  @Test func torchrunUnderSrunHasItsOwnNumbers() throws {
    let found = try read(
      slurm(1, of: 2),
      [
        "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "a1",
        "MASTER_PORT": "41000", "TORCHELASTIC_RUN_ID": "x", "TORCHELASTIC_RESTART_COUNT": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
      ])
    #expect(
      found
        == RankEnvironment(
          rank: .init(3, of: 4), localNumber: 1, host: "a1", ports: [41000], isServedByRank0: false,
          identity: "torchrun x 2", attempt: "attempt-2/"))
  }

  @Test func launchesOfOneMachineDifferAndRanksOfOneLaunchDoNot() throws {
    let (a, b) = (try read(slurm(0, of: 2, step: "3")), try read(slurm(1, of: 2, step: "3")))
    #expect(a?.identity == "Slurm step 77.3" && a?.identity == b?.identity && a?.ports == b?.ports)
    let other = try read(slurm(0, of: 2, step: "4"))
    #expect(other?.identity != a?.identity && other?.ports != a?.ports)
    #expect(Set(a?.ports ?? []).count == 8 && a?.ports.allSatisfy { (20000..<40000).contains($0) } == true)
    let mpi = try read(openMPI(0, of: 2, here: 2))
    #expect(mpi?.identity == "Open MPI job 2187853825" && mpi?.host == "127.0.0.1")
    // MPICH gives no name: the process that started the ranks is one, even behind a shell script.
    let (first, second) = (try read(hydra(0, of: 2, here: 2)), try read(hydra(1, of: 2, here: 2)))
    #expect(first?.identity == second?.identity && first?.identity.hasPrefix("process ") == true)
    #expect(try read(slurm(0, of: 2), ["MASTER_PORT": "5000", "MASTER_ADDR": "b"])?.ports == [5000])
  }

  @Test func aMixtureThatDoesNotAgreeIsRefused() throws {
    let byHand = ["RANK": "0", "WORLD_SIZE": "4", "MASTER_ADDR": "b", "MASTER_PORT": "5000"]
    let error = #expect(throws: UsageError.self) { try read(openMPI(1, of: 2, here: 2), byHand) }
    #expect(
      error?.description
        == "OMPI_COMM_WORLD_RANK=1, OMPI_COMM_WORLD_SIZE=2 (Open MPI) and RANK=0, WORLD_SIZE=4 (set by hand) do not "
        + "agree on this process's rank. Remove the variables that do not belong to this run.")
    #expect(throws: UsageError.self) { try read(openMPI(1, of: 2, here: 2), hydra(0, of: 2, here: 2)) }
    // One that agrees, and a launcher of one process, which leaves the ranks to the caller.
    #expect(try read(slurm(0, of: 4), byHand)?.host == "b")
    #expect(try read(openMPI(0, of: 1, here: 1), byHand)?.rank.count == 4)
    #expect(try read(slurm(0, of: 1), openMPI(0, of: 1, here: 1)) == nil)
  }

  @Test func severalMachinesWithoutAFirstOneAreRefused() throws {
    let mpi = #expect(throws: UsageError.self) { try read(openMPI(0, of: 4, here: 2)) }
    #expect(
      mpi?.description
        == "Open MPI started 4 ranks on several machines, and none of its variables names the first. Set MASTER_ADDR "
        + "to the host of rank 0.")
    let mpich = #expect(throws: UsageError.self) { try read(hydra(0, of: 4, here: 2)) }
    #expect(
      mpich?.description
        == "MPICH started 4 ranks on several machines, and none of its variables names the first. Set MASTER_ADDR and "
        + "MASTER_PORT to the host and a free port of rank 0.")
    let given = ["MASTER_ADDR": "b", "MASTER_PORT": "5000"]
    #expect(try read(hydra(0, of: 4, here: 2), given)?.identity == "MASTER_PORT 5000")
  }

  /// Kubeflow gives the first rank `localhost`, and the others the name of its service.
  @Test func ranksThatReachTheFirstByOtherNamesAreOneLaunch() throws {
    let places = ["localhost", "master-0"].map { ["MASTER_ADDR": $0, "MASTER_PORT": "23456"] }
    let byHand = try places.enumerated().map { try read(["RANK": "\($0)", "WORLD_SIZE": "2"], $1) }
    #expect(byHand.map { $0?.host } == ["localhost", "master-0"])
    #expect(byHand.allSatisfy { $0?.identity == "MASTER_PORT 23456" && $0?.ports == [23456] })
    let oneMachine = try places.enumerated().map { try read(hydra($0, of: 2, here: 2), $1) }
    #expect(oneMachine.allSatisfy { $0?.identity == "MASTER_PORT 23456" && $0?.ports == [23456] })
  }

  @Test func aMissingVariableIsNamedWithItsRemedy() {
    let byHand = ["RANK": "0", "WORLD_SIZE": "2"]
    let address = #expect(throws: UsageError.self) { try read(byHand) }
    #expect(
      address?.description
        == "MASTER_ADDR is not set, but this process is one of several ranks. Set it to the host of rank 0, or use "
        + "torchrun or --nproc.")
    let port = #expect(throws: UsageError.self) { try read(byHand, ["MASTER_ADDR": "b"]) }
    #expect(
      port?.description
        == "MASTER_PORT is not set, but this process is one of several ranks. Set it to a free port of rank 0's "
        + "machine, or use torchrun or --nproc.")
    let size = #expect(throws: UsageError.self) { try read(["OMPI_COMM_WORLD_RANK": "0"]) }
    #expect(
      size?.description
        == "OMPI_COMM_WORLD_SIZE is not set, but this process is one of several ranks. Start the ranks with one "
        + "launcher, or unset its variables.")
  }

  @Test func aBatchScriptWithoutSrunIsWarnedOf() {
    let script = ["SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"]
    #expect(
      RankEnvironment.warning(script)
        == "this job has 2 tasks, but this process works alone: srun did not start it. Write srun before the command, "
        + "or give --nproc.")
    #expect(RankEnvironment.warning(["SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"]) == nil, "a shell of salloc")
    #expect(RankEnvironment.warning(slurm(0, of: 1)) == nil)
  }
}
