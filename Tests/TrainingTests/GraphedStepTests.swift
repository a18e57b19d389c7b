import Methods
import Testing
import Torch
@testable import Training

/// A recorded step must be the step that it was recorded from, with everything that changes from step to step: images,
/// shuffles, learning rate, momentum, the place in the queue. A repetition on the CPU takes its inputs from the same
/// buffers as a CUDA graph, and leaves its results in the same places.
@Suite struct RecordedSteps {
  /// What a run of steps leaves.
  private struct Trajectory: Equatable {
    var losses: [Double] = []
    /// Of what the steps hand out: queries and logits.
    var sums: [Double] = []
    var state: [[Double]] = []
  }

  private func config(_ method: MethodName, _ change: (inout RunConfig) -> Void = { _ in }) throws
    -> RunConfig
  {
    var config = try RunConfig.recipe("cifar")
    config.method = method
    config.arch = .resnet8
    config.imageSize = 16
    config.batchSize = 8
    config.bnSplits = 1
    config.mocoDim = 16
    config.mocoMlpDim = 32
    config.mocoK = 20  // no multiple of the batch: the place wraps within one
    change(&config)
    return config
  }

  private static let steps = 8

  private func train(_ config: RunConfig, recording: CaptureMode?) throws -> Trajectory {
    let learner = try Learner(config, images: 64, device: .cpu, recording: recording)
    var trajectory = Trajectory()
    for step in 0..<Self.steps {
      let views = (0..<2).map {
        Tensor.normal([8, 3, 16, 16], using: Generator(seed: UInt64(2 * step + $0))).contiguous(.channelsLast)
      }
      let made = try learner.step(
        views, samples: Array(8 * (step % 8)..<8 * (step % 8) + 8), index: step,
        rate: 0.06 - 0.005 * Double(step), momentum: 0.9 + 0.01 * Double(step))
      trajectory.losses.append(made.loss)
      trajectory.sums.append(try #require(made.output.features).queries.to(.float64).sum().item())
      if let logits = made.output.logits { trajectory.sums.append(logits.to(.float64).sum().item()) }
    }
    trajectory.state = (learner.modelState + learner.optimizerState).map {
      $0.tensor.array(of: Double.self)
    }
    #expect(learner.whyNotRecorded == nil)
    return trajectory
  }

  /// To the bit.
  private func expectSame(_ config: RunConfig) throws {
    let (recorded, usual) = (try train(config, recording: .repetition), try train(config, recording: nil))
    #expect(usual.losses.count == Self.steps && Set(usual.losses).count == Self.steps)
    #expect(usual.state.count > 50)
    #expect(recorded == usual)
  }

  @Test(arguments: [false, true])
  func mocoWithShuffledKeysStaysTheSame(symmetric: Bool) throws {
    try expectSame(
      config("moco") {
        $0.bnSplits = 2
        $0.symmetric = symmetric
      })
  }

  @Test func soDoesDenseCLWithShuffledCells() throws { try expectSame(config("densecl") { $0.bnSplits = 2 }) }

  @Test func soItDoesInBfloat16() throws { try expectSame(config("moco") { $0.precision = .bfloat16 }) }

  @Test func soDoesTheEndToEndMechanism() throws {
    try expectSame(
      config("moco") {
        $0.mechanism = .endToEnd
        $0.bnSplits = 2
      })
  }

  @Test(arguments: ["simclr", "byol", "simsiam", "exemplar"] as [MethodName])
  func soDoMethodsWithoutAQueue(method: MethodName) throws { try expectSame(config(method)) }

  /// LARS overwrites the gradients, and AdamW counts its steps.
  @Test(arguments: [OptimizerChoice.lars, .adamw])
  func soDoesMoCoV3WithItsOptimizers(optimizer: OptimizerChoice) throws {
    try expectSame(config("moco-v3") { $0.optimizer = optimizer })
  }

  /// Why they say so of themselves: what is drawn in a forward pass would be drawn once for all steps.
  @Test(arguments: ["jigsaw", "relative-position"] as [MethodName])
  func methodsThatDrawInTheirForwardPassWouldNot(method: MethodName) throws {
    let config = try config(method) { $0.imageSize = 16 }
    let (recorded, usual) = (try train(config, recording: .repetition), try train(config, recording: nil))
    #expect(recorded.losses.prefix(3) == usual.losses.prefix(3))  // not recorded yet
    #expect(recorded.losses != usual.losses)
  }

  @Test func onTheCPUNothingIsRecordedAndNothingSaid() throws {
    let learner = try Learner(config("moco"), images: 64, device: .cpu)
    #expect(!learner.isWarmingUp && learner.whyNotRecorded == nil)
  }

  @Test func whatCannotBeRecordedSaysWhy() throws {
    func reason(_ choice: MethodName, _ change: (inout RunConfig) -> Void = { _ in }) throws -> String? {
      let config = try config(choice, change)
      let learner = try Learner(config, images: 64, device: .cpu)
      return config.recording(of: learner.method, on: .cuda(0), context: .alone).reason
    }
    #expect(
      try reason("jigsaw")
        == "A step is not recorded as a CUDA graph: jigsaw needs the CPU in its forward pass")
    #expect(
      try reason("moco") { $0.accumulate = 2 }
        == "A step is not recorded as a CUDA graph: --accumulate 2 takes a batch in parts")
    #expect(try reason("moco") { $0.cudaGraph = false } == nil)
    if CUDALibrary.loadError != nil {
      #expect(
        try reason("moco")?.hasPrefix("A step is not recorded as a CUDA graph: no GPU can be used: ") == true)
    }
  }
}

/// What only a GPU shows. Elsewhere these are skipped, and the test run says so.
@Suite(.serialized, .enabled(if: CUDALibrary.loadError == nil, "\(CUDALibrary.loadError?.description ?? "")"))
struct StepsOnAGPU {
  /// The same kernels on the same numbers; only those that add in an order of their own differ, by 1e-7, which ten steps
  /// of a small network amplify to no more than 1e-3 of a loss near 3.
  @Test(arguments: [1, 2])
  func aGraphIsTheStepItWasRecordedFrom(splits: Int) throws {
    func losses(_ usesGraph: Bool) throws -> [Double] {
      var config = try RunConfig.recipe("cifar")
      config.arch = .resnet8
      config.batchSize = 16
      config.bnSplits = splits
      config.mocoK = 64
      config.cudaGraph = usesGraph
      let learner = try Learner(config, images: 64, device: .cuda(0))
      #expect(learner.isWarmingUp == usesGraph)
      let losses = try (0..<10).map { step in
        let views = (0..<2).map {
          Tensor.normal([16, 3, 32, 32], using: Generator(seed: UInt64(2 * step + $0)))
            .contiguous(.channelsLast).to(.cuda(0))
        }
        return try learner.step(
          views, samples: Array(0..<16), index: step, rate: 0.06 - 0.005 * Double(step),
          momentum: 0.99
        ).loss
      }
      #expect(learner.whyNotRecorded == nil)
      return losses
    }
    let (graph, usual) = (try losses(true), try losses(false))
    #expect(graph.count == 10 && usual.count == 10)
    for (a, b) in zip(graph, usual) { #expect(abs(a - b) < 1e-3) }
  }
}
