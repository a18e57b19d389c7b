import Methods
import Testing
import Torch
@testable import Training

/// Training in bfloat16, on random images.
@Suite struct BfloatTraining {
  private func learner(_ precision: Precision) throws -> Learner {
    var config = try RunConfig.recipe("cifar")
    config.arch = .resnet8
    config.imageSize = 16
    config.batchSize = 16
    config.bnSplits = 2
    config.mocoK = 64
    config.precision = precision
    return try Learner(config, images: 64, device: .cpu)
  }

  private func losses(_ learner: Learner) throws -> [Double] {
    try (0..<4).map { step in
      let views = (0..<2).map {
        Tensor.normal([16, 3, 16, 16], using: Generator(seed: UInt64(2 * step + $0))).contiguous(
          .channelsLast)
      }
      return try learner.step(
        views, samples: Array(0..<16), index: step, rate: 0.06, momentum: 0.99
      ).loss
    }
  }

  @Test func lossesStayNearThoseInFloat32() throws {
    let (narrow, wide) = (try losses(learner(.bfloat16)), try losses(learner(.float32)))
    #expect(narrow.count == 4 && wide.count == 4)
    for (a, b) in zip(narrow, wide) {
      // A cosine is off by about 2⁻⁸, a logit by 1/τ = 10 times that; four steps let the weights part a little. The
      // losses are near 4.
      #expect(abs(a - b) < 0.08, "\(a) and \(b)")
    }
    #expect(narrow != wide)
  }

  @Test func everythingThatIsKeptStaysFloat32() throws {
    let learner = try learner(.bfloat16)
    _ = try losses(learner)
    let kept = learner.modelState + learner.optimizerState
    #expect(kept.count > 100)
    for (name, tensor) in kept where tensor.dtype.isFloatingPoint {
      #expect(tensor.dtype == .float32, "\(name)")
    }
    #expect(learner.isFinite)
  }
}
