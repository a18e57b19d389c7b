import Distributed
import Testing

@Suite struct RankEnvironmentTests {
  @Test func ranksThatSeeOneGPUEachCountFrom0() throws {
    var variables = [
      "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1", "SLURM_STEP_NODELIST": "a[1-2]",
    ]
    #expect(try RankEnvironment.read(variables)?.localNumber == 1)
    variables["CUDA_VISIBLE_DEVICES"] = "0,1,2,3"
    #expect(try RankEnvironment.read(variables)?.localNumber == 1)
    variables["CUDA_VISIBLE_DEVICES"] = "1"
    #expect(try RankEnvironment.read(variables)?.localNumber == 0)
  }
}
