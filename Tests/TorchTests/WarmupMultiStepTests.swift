import Foundation
import Testing
import Torch

/// Rates of detectron2's `WarmupMultiStepLR`; all files `learning-rate*.json` below the folder TRANSFER_CASES, or the one
/// beside these tests.
@Suite struct TransferLearningRate {
  private struct File: Decodable {
    struct Case: Decodable {
      let name: String
      let baseLr, warmupFactor, gamma: Double
      let steps, iterations: [Int]
      let warmupIters: Int
      let lr: [Double]
    }
    let cases: [Case]
  }

  @Test func theRateOfEveryUpdateIsThePublishedOne() throws {
    let own = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/transfer").path
    let folder = ProcessInfo.processInfo.environment["TRANSFER_CASES"] ?? own
    let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    for name in names.sorted()
    where (name as NSString).lastPathComponent.hasPrefix("learning-rate") && name.hasSuffix(".json") {
      print("transfer case: \(name)")
      let data = try #require(FileManager.default.contents(atPath: "\(folder)/\(name)"))
      for one in try decoder.decode(File.self, from: data).cases {
        let schedule = WarmupMultiStep(
          base: one.baseLr, milestones: one.steps, gamma: one.gamma, warmUp: one.warmupIters,
          warmUpFactor: one.warmupFactor)
        for (step, rate) in zip(one.iterations, one.lr) {
          // The order of products differs: some units of the last place.
          #expect(abs(schedule.rate(step: step) - rate) <= 1e-14 * rate, "\(one.name), update \(step)")
        }
      }
    }
  }
}

@Suite struct WarmupMultiStepTests {
  @Test func aWarmUpAcrossADecayEndsAtTheRateThatHoldsThere() {
    let schedule = WarmupMultiStep(base: 1, milestones: [5], gamma: 0.5, warmUp: 10, warmUpFactor: 0)
    #expect(schedule.rate(step: 0) == 0)
    #expect(schedule.rate(step: 5) == 0.25)
    #expect(schedule.rate(step: 10) == 0.5)
  }

  @Test func withoutAWarmUpTheFirstRateIsTheBase() {
    #expect(WarmupMultiStep(base: 0.3, milestones: [], warmUp: 0).rate(step: 0) == 0.3)
  }
}

@Suite struct SGDGroupTests {
  /// w ← w − lr·(g + decay·w), and without the decay for those left out; by hand.
  @Test func parametersThatAreLeftOutHaveNoWeightDecay() throws {
    let parameters = [2.0, 4.0].map { Parameter(Tensor([$0])) }
    let sgd = SGD(parameters.map(\.tensor), momentum: 0, weightDecay: 0.5, undecayed: [1])
    try withTorchErrors {
      (parameters[0].tensor + parameters[1].tensor).sum().backward()
      sgd.step(learningRate: 0.1)
    }
    #expect(parameters[0].tensor.item() == 2 - 0.1 * (1 + 0.5 * 2))
    #expect(parameters[1].tensor.item() == 4 - 0.1)
  }

  @Test func bothGroupsKeepTheOrderOfTheirMomenta() throws {
    let parameters = (0..<4).map { Parameter(Tensor([Double($0 + 1)])) }
    let sgd = SGD(parameters.map(\.tensor), momentum: 0.9, weightDecay: 0, undecayed: [0, 2])
    try withTorchErrors {
      Tensor.stacked(parameters.enumerated().map { $1.tensor * Double($0 + 1) }).sum().backward()
      sgd.step(learningRate: 1)
    }
    #expect(sgd.velocities.map { $0.item() } == [1, 2, 3, 4])
    #expect(parameters.map { $0.tensor.item() } == [0, 0, 0, 0])
  }
}
