import TestSupport
import Testing
import Torch

/// Ten steps of a small network in PyTorch, in float64, from weights and inputs that a formula gives.
struct TrainingSteps: Decodable {
  struct Parameter: Decodable {
    let name: String
    let shape: [Int]
    let salt: Int?
  }
  struct Input: Decodable {
    let shape: [Int]
    let saltOfStep0: Int
  }
  struct Optimizer: Decodable { let lr, momentum, weightDecay: Double }

  let parameters: [Parameter]
  let input: Input
  let labels: [Int]
  let optimizer: Optimizer
  let losses: [Double]
  let finalNorms: [String: Double]

  static func load() throws -> TrainingSteps { try fixture("training_steps.json") }

  /// The same steps here.
  func train(on device: Device, layout: MemoryLayout4D) throws -> (losses: [Double], network: SmallNetwork) {
    let network = SmallNetwork(using: Generator(seed: 1))
    network.convert(to: .float64)
    network.move(to: device, layout: layout)
    let mine = network.namedParameters
    try #require(mine.map(\.name) == parameters.map(\.name))
    withNoGrad {
      for (entry, given) in zip(mine, parameters) {
        if let salt = given.salt {
          let fanIn = Double(given.shape.dropFirst().reduce(1, *))
          entry.tensor.copy(from: formula(salt: salt, shape: given.shape) * (6 / fanIn).squareRoot())
        } else {
          entry.tensor.fill(entry.name.hasSuffix("weight") ? 1 : 0)
        }
      }
    }
    let sgd = SGD(network.parameters, momentum: optimizer.momentum, weightDecay: optimizer.weightDecay)
    let labels = Tensor(labels, on: device)
    let losses = self.losses.indices.map { step in
      let x = formula(salt: input.saltOfStep0 + step, shape: input.shape).to(device)
      let loss = crossEntropy(network(x.contiguous(layout)), labels)
      loss.backward()
      sgd.step(learningRate: optimizer.lr)
      return loss.item()
    }
    return (losses, network)
  }
}

/// The fixture's network.
final class SmallNetwork: Module {
  let conv1: Conv2d
  let bn1 = BatchNorm2d(8)
  let conv2: Conv2d
  let bn2 = BatchNorm2d(16)
  let fc: Linear

  init(using generator: Generator) {
    conv1 = Conv2d(3, 8, kernel: 3, padding: 1, using: generator)
    conv2 = Conv2d(8, 16, kernel: 3, stride: 2, padding: 1, using: generator)
    fc = Linear(16, 10, using: generator)
  }

  override func forward(_ x: Tensor) -> Tensor {
    let half = maxPool2d(bn1.batchNormReLU(conv1(x)), kernel: 3, stride: 2, padding: 1)  // N×8×8×8
    return fc(globalAveragePool2d(bn2.batchNormReLU(conv2(half))))  // N×10
  }
}

@Suite struct Training {
  @Test(arguments: [MemoryLayout4D.contiguous, .channelsLast])
  func tenStepsFollowPyTorch(layout: MemoryLayout4D) throws {
    let reference = try TrainingSteps.load()
    let (losses, network) = try reference.train(on: .cpu, layout: layout)

    // Another order of summation costs about 1e-15 a step, and ten steps amplify it.
    #expect(losses.count == 10)
    #expect(distance(losses, reference.losses) < 1e-10)
    #expect(network.state.count == reference.finalNorms.count)
    for entry in network.state {
      let theirs = try #require(reference.finalNorms[entry.name], "no tensor named \(entry.name)")
      let ours = entry.tensor.to(.float64).norm().item()
      #expect(abs(ours - theirs) < 1e-10, "norm of \(entry.name): \(ours), PyTorch \(theirs)")
    }
  }
}
