import Foundation
import TestSupport
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
    let cosine, step, warmUp: Case
  }

  private func rates(_ schedule: Schedule, _ given: Reference.Case) -> [Double] {
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
    #expect(distance(rates(.milestones(milestones), reference.step), reference.step.rates) < tolerance)
  }

  /// PyTorch's line cannot start at 0 and starts at 1e-12 of the base.
  @Test func warmUpAndCosineFollowPyTorchInEveryStep() throws {
    let reference = try fixture("schedules.json", as: Reference.self).warmUp
    let rates = (0..<40).map { step in
      Schedule.cosine.rate(
        base: reference.lr, epoch: Double(step) / 4, epochs: reference.epochs, warmUp: 3)
    }
    #expect(rates[0] == 0 && rates.max() == 0.6)
    #expect(distance(rates, reference.rates) < 1e-12)
  }

  @Test func cosineFallsFromTheBaseToZeroAndCountsFractions() {
    #expect(Schedule.cosine.rate(base: 2, epoch: 0, epochs: 10) == 2)
    #expect(Schedule.cosine.rate(base: 2, epoch: 10, epochs: 10) == 0)
    // cos 45° at a quarter of the way
    let quarter = Schedule.cosine.rate(base: 2, epoch: 2.5, epochs: 10)
    #expect(abs(quarter - (1 + 0.5.squareRoot())) < tolerance)
  }

  /// 1.25 million steps at a batch of 1024 (He et al. 2020, section 4): 0.12 · 0.9^19 in the end.
  @Test func aFactorIsTakenEverySoManySteps() {
    func rate(_ step: Int) -> Double {
      Schedule.step(factor: 0.9, every: 62_500).rate(base: 0.12, epoch: 0, epochs: 2, step: step)
    }
    #expect(rate(0) == 0.12 && rate(62_499) == 0.12 && abs(rate(62_500) - 0.108) < tolerance)
    #expect(abs(rate(1_249_999) - 0.12 * Foundation.pow(0.9, 19)) < tolerance)
  }

  @Test(arguments: ["cosine", "120,160", "0.9x62500"])
  func aScheduleSurvivesItsText(text: String) throws {
    let schedule = try #require(Schedule(text))
    #expect(schedule.description == text)
    #expect(try JSONDecoder().decode([Schedule].self, from: JSONEncoder().encode([schedule])) == [schedule])
  }

  @Test(arguments: ["", "cosin", "120;160", "0.9x", "x5", "0.9x1.5"])
  func anotherTextIsNoSchedule(text: String) { #expect(Schedule(text) == nil) }
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
}

/// PyTorch's trajectories of five steps in float64, and what all optimizers share.
@Suite struct Optimizers {
  private struct Reference: Decodable {
    struct Start: Decodable {
      let shape: [Int]
      let zero: Bool
    }
    struct LARSEnd: Decodable {
      let decay: Double
      let weights, velocities: [[Double]]
    }
    struct AdamWEnd: Decodable {
      let decay: Double
      let weights, means, squares: [[Double]]
    }
    let parameters: [Start]
    let rates: [Double]
    let lars: LARSEnd
    let adamw: AdamWEnd
  }

  private let reference: Reference
  private let parameters: [Tensor]

  init() throws {
    reference = try fixture("optimizers.json")
    parameters = reference.parameters.enumerated().map { number, start in
      let tensor =
        start.zero
        ? Tensor.zeros(start.shape, dtype: .float64) : formula(salt: 100 + number, shape: start.shape)
      tensor.requiresGrad = true
      return tensor
    }
  }

  /// Gives every parameter w the gradient u + w.
  private func step(_ optimizer: any Optimizer, _ step: Int) {
    for (number, w) in parameters.enumerated() {
      (w * formula(salt: 1000 + 10 * step + number, shape: w.shape) + w * w * 0.5).sum().backward()
    }
    optimizer.step(learningRate: reference.rates[step])
  }

  /// A hundred operations on numbers below 10 in float64.
  private let tolerance = 1e-13

  private func expect(_ tensors: [Tensor], _ theirs: [[Double]], _ what: String) {
    #expect(tensors.count == theirs.count)
    for (number, (tensor, values)) in zip(tensors, theirs).enumerated() {
      #expect(distance(tensor.array(), values) < tolerance, "\(what) of parameter \(number)")
    }
  }

  @Test func larsFollowsItsDefinition() {
    let lars = LARS(parameters, weightDecay: reference.lars.decay)
    for index in reference.rates.indices { step(lars, index) }
    expect(parameters, reference.lars.weights, "weights")
    expect(lars.velocities, reference.lars.velocities, "velocities")
    #expect(lars.steps == 5 && parameters.allSatisfy { $0.gradient == nil })
  }

  @Test func adamWFollowsPyTorch() {
    let adamW = AdamW(parameters, weightDecay: reference.adamw.decay)
    for index in reference.rates.indices { step(adamW, index) }
    expect(parameters, reference.adamw.weights, "weights")
    expect(adamW.means, reference.adamw.means, "means")
    expect(adamW.squares, reference.adamw.squares, "squares")
    #expect(adamW.steps == 5 && parameters.allSatisfy { $0.gradient == nil })
  }

  /// Vectors as without decay, all others as with it.
  @Test func adamWLeavesVectorsUndecayedWhereAsked() {
    func weights(decay: Double, decaysVectors: Bool = true) -> [[Double]] {
      let tensors = parameters.map { $0.detached().clone() }
      for tensor in tensors { tensor.requiresGrad = true }
      let adamW = AdamW(tensors, weightDecay: decay, decaysVectors: decaysVectors)
      for _ in 0..<3 {
        for tensor in tensors { (tensor * tensor).sum().backward() }
        adamW.step(learningRate: 0.1)
      }
      #expect(adamW.steps == 3)
      return tensors.map { $0.detached().array(of: Double.self) }
    }
    let (plain, decayed) = (weights(decay: 0), weights(decay: 0.3))
    let mixed = weights(decay: 0.3, decaysVectors: false)
    #expect(parameters.contains { $0.rank <= 1 } && parameters.contains { $0.rank > 1 })
    for (place, parameter) in parameters.enumerated() {
      #expect(mixed[place] == (parameter.rank <= 1 ? plain : decayed)[place])
      if plain[place].contains(where: { $0 != 0 }) { #expect(plain[place] != decayed[place]) }
    }
  }

  @Test func aResumedAdamWGoesOnAsIfItHadNotStopped() {
    let first = AdamW(parameters, weightDecay: reference.adamw.decay)
    for index in 0..<3 { step(first, index) }
    let second = AdamW(parameters, weightDecay: reference.adamw.decay)
    let names = (0..<5).map { "p\($0)" }
    for (mine, saved) in zip(second.state(named: names), first.state(named: names)) {
      #expect(mine.name == saved.name)
      mine.tensor.copy(from: saved.tensor)
    }
    second.restore(steps: first.steps)
    for index in 3..<5 { step(second, index) }
    expect(parameters, reference.adamw.weights, "weights")
  }

  @Test func whatAnOptimizerRemembersIsNamedAfterTheParameters() {
    let w = [parameters[0], parameters[1]]
    func names(_ optimizer: any Optimizer) -> [String] {
      optimizer.state(named: ["fc.weight", "fc.bias"]).map(\.name)
    }
    #expect(names(SGD(w)) == ["fc.weight", "fc.bias"])
    #expect(names(LARS(w)) == ["fc.weight", "fc.bias"])
    #expect(
      names(AdamW(w)) == [
        "exp_avg.fc.weight", "exp_avg.fc.bias", "exp_avg_sq.fc.weight", "exp_avg_sq.fc.bias",
      ])
  }

  @Test func everyTensorOfAListMovesTowardItsTarget() {
    let tensors = [Tensor([0.0, 10]), Tensor([4.0])]
    lerpAll(tensors, toward: [Tensor([1.0, 20]), Tensor([8.0])], weight: 0.25)
    #expect(tensors[0].array() == [0.25, 12.5])
    #expect(tensors[1].array() == [5.0])
  }
}
