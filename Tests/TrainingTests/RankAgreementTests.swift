import Methods
import Models
import TestSupport
import Testing
import Torch
@testable import Training

/// Whether ranks are found out of step.
@Suite(.serialized) struct RankAgreement {
  struct Case: Sendable, CustomTestStringConvertible {
    let method: MethodName
    var mechanism = Mechanism.queue
    var arch = Architecture.resnet8
    /// What must be equal beside the weights.
    let replicated: [String]
    var testDescription: String { "\(method.rawValue) \(mechanism.rawValue)" }
  }

  static let cases = [
    Case(method: "moco", replicated: ["key encoder", "queue"]),
    Case(method: "moco", mechanism: .memoryBank, replicated: ["bank"]),
    Case(method: "instdisc", replicated: ["bank"]),
    Case(method: "local-agg", replicated: ["bank", "clusters"]),
    Case(method: "byol", replicated: ["key encoder"]),
    Case(method: "moco-v3", replicated: ["key encoder"]),
    Case(
      method: "densecl",
      replicated: ["key encoder", "0.weight", "0.bias", "2.weight", "2.bias", "queue", "dense queue"]),
    Case(method: "mae", arch: .vitMini, replicated: ["positions", "decoder's positions"]),
    Case(
      method: "moco-mae", arch: .vitMini,
      replicated: ["key encoder", "its positions", "positions", "decoder's positions", "queue"]),
  ]

  /// One number of the last replica, and then one of the weights, changes in rank 1.
  @Test(arguments: cases)
  func aRankWithAnotherNumberAnywhereIsFound(which: Case) async throws {
    let found = try await withRankContexts(2) { context in
      var config = RunConfig()
      (config.method, config.mechanism, config.arch) = (which.method, which.mechanism, which.arch)
      (config.imageSize, config.batchSize, config.mocoK, config.mocoDim) = (16, 8, 12, 8)
      config.mocoMlpDim = 8
      config.stopGradConv1 = false
      (config.decoderDim, config.decoderDepth, config.decoderHeads) = (24, 1, 3)
      let learner = try Learner(config, images: 20, device: .cpu, context: context)
      try learner.share()
      let weights = learner.method.encoderQ.parameters.count
      let others = learner.method.replicated.count - (which.replicated.contains("key encoder") ? weights : 0)
      var found = [others, try learner.rankOutOfStep() ?? -1]
      for tensor in [learner.method.replicated.last, learner.method.trainable.first?.tensor] {
        let kept = try #require(tensor)
        let before = kept.detached() * 1
        if context.rank.number == 1 { withNoGrad { kept.copy(from: before + 1e-3) } }
        found.append(try learner.rankOutOfStep() ?? -1)
        withNoGrad { kept.copy(from: before) }
        found.append(try learner.rankOutOfStep() ?? -1)
      }
      return found
    }
    let others = which.replicated.filter { $0 != "key encoder" }.count
    #expect(found == [[others, -1, 1, -1, 1, -1], [others, -1, 1, -1, 1, -1]])
  }
}
