import Testing
import Torch

@Suite struct Schedules {
  private struct Reference: Decodable {
    struct Case: Decodable {
      let lr: Double
      let epochs: Int
      let milestones: [Int]?
      let rates: [Double]
    }
    let cosine, step: Case
  }

  private func rates(_ schedule: LearningRateSchedule, _ given: Reference.Case) -> [Double] {
    (0..<given.epochs).map { schedule.rate(base: given.lr, epoch: Double($0), epochs: given.epochs) }
  }

  /// PyTorch computes each rate from the one before: 20 roundings of numbers below 0.03.
  private let tolerance = 1e-15

  @Test func cosineFollowsPyTorch() throws {
    let reference: Reference = try fixture("schedules.json")
    #expect(distance(rates(.cosine, reference.cosine), reference.cosine.rates) < tolerance)
  }

  @Test func stepsFollowPyTorch() throws {
    let reference: Reference = try fixture("schedules.json")
    let milestones = try #require(reference.step.milestones)
    #expect(distance(rates(.step(milestones: milestones), reference.step), reference.step.rates) < tolerance)
  }

  @Test func cosineFallsFromTheBaseToZeroAndCountsFractions() {
    #expect(LearningRateSchedule.cosine.rate(base: 2, epoch: 0, epochs: 10) == 2)
    #expect(LearningRateSchedule.cosine.rate(base: 2, epoch: 10, epochs: 10) == 0)
    // cos 45° at a quarter of the way
    let quarter = LearningRateSchedule.cosine.rate(base: 2, epoch: 2.5, epochs: 10)
    #expect(abs(quarter - (1 + 0.5.squareRoot())) < tolerance)
  }
}

/// Against v ← μ·v + (g + λ·w); w ← w − η·v in plain Swift.
@Suite struct SGDSteps {
  let start = [1.0, -2, 3]
  let slope = [0.5, 0.25, -1]

  private func leaf(_ values: [Double]) -> Tensor {
    let tensor = Tensor(values)
    tensor.requiresGrad = true
    return tensor
  }

  /// A step along `slope`.
  private func step(_ optimizer: SGD, _ w: Tensor, rate: Double) {
    (w * Tensor(slope)).sum().backward()
    optimizer.step(learningRate: rate)
  }

  @Test func momentumAndDecayAreCoupled() {
    let w = leaf(start)
    let optimizer = SGD([w], momentum: 0.9, weightDecay: 0.1)
    var expected = start, velocity = [0.0, 0, 0]
    for rate in [0.1, 0.2, 0.05] {
      step(optimizer, w, rate: rate)
      for i in expected.indices {
        velocity[i] = 0.9 * velocity[i] + slope[i] + 0.1 * expected[i]
        expected[i] -= rate * velocity[i]
      }
    }
    #expect(optimizer.steps == 3)
    #expect(distance(w.array(), expected) < 1e-15)
    #expect(distance(optimizer.velocities[0].array(), velocity) < 1e-15)
    #expect(w.gradient == nil)
  }

  @Test func theFirstStepSetsTheVelocityAndALaterOneMovesIt() {
    let w = leaf(start)
    let first = SGD([w])
    first.velocities[0].fill(100)
    step(first, w, rate: 0)
    #expect(first.velocities[0].array() == slope)

    let resumed = SGD([w])
    resumed.velocities[0].fill(100)
    resumed.restore(steps: 7)
    step(resumed, w, rate: 0)
    #expect(distance(resumed.velocities[0].array(), slope.map { 90 + $0 }) < 1e-13)
    #expect(resumed.steps == 8)
  }

  /// The fused kernel walks raw memory, so a velocity must lie as its parameter does.
  @Test func anOptimizerMadeBeforeTheModuleMovedGoesOn() {
    let layer = Conv2d(3, 4, kernel: 3, using: Generator(seed: 1))
    let tensor = layer.weight.tensor
    let slope = formula(salt: 1, shape: tensor.shape)
    let expected = withNoGrad { tensor.to(.float64).clone() }
    let optimizer = SGD(layer.parameters)
    func step() {
      (tensor * slope.to(tensor.dtype)).sum().backward()
      optimizer.step(learningRate: 0.1)
    }
    step()
    layer.move(to: .cpu, layout: .channelsLast)
    step()
    layer.convert(to: .float64)
    step()
    // v is 1, 1.9 and 2.71 times the slope.
    expected.add(slope, scale: -0.1 * (1 + 1.9 + 2.71))
    #expect(tensor.isContiguous(.channelsLast) && tensor.dtype == .float64)
    #expect(distance(tensor, expected) < 1e-6)  // two of the steps were in float32
  }

  @Test func aGradientThatLiesOtherwiseThanItsParameterIsRefused() {
    let layer = Conv2d(3, 4, kernel: 3, using: Generator(seed: 1))
    let optimizer = SGD(layer.parameters)
    layer.weight.tensor.sum().backward()
    layer.move(to: .cpu, layout: .channelsLast)
    #expect {
      try withTorchErrors { optimizer.step(learningRate: 0.1) }
    } throws: {
      ($0 as? TorchError)?.message.hasPrefix("a parameter of shape [4, 3, 3, 3] and strides") == true
    }
  }

  @Test func everyTensorOfAListMovesTowardItsTarget() {
    let tensors = [Tensor([0.0, 10]), Tensor([4.0])]
    lerpAll(tensors, toward: [Tensor([1.0, 20]), Tensor([8.0])], weight: 0.25)
    #expect(tensors[0].array() == [0.25, 12.5])
    #expect(tensors[1].array() == [5.0])
  }
}
