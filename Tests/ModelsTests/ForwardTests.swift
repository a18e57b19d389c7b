import TestSupport
import Testing
import Torch
@testable import Models

/// torchvision's features for weights and an image that a formula gives, in float64.
private struct Forward: Decodable {
  struct Pass: Decodable {
    let features: [[Double]]  // the first 16 of each of two images
    let logitsSum: [Double]
  }
  let eval, train: Pass
}

@Suite struct ForwardPasses {
  @Test(arguments: [Architecture.resnet18, .resnet50])
  func featuresAndLogitsAreTorchvisions(architecture: Architecture) throws {
    let all: [String: Forward] = try fixture("forward_resnet.json")
    let reference = try #require(all[architecture.rawValue])
    let network = EncoderSpec(arch: architecture, head: .linear(outputs: 1000))
      .makeEncoder(using: Generator(seed: 1))
    network.convert(to: .float64)
    withNoGrad {
      for (number, entry) in network.namedParameters.enumerated() {
        let shape = entry.tensor.shape
        if shape.count > 1 {
          let fanIn = Double(shape.dropFirst().reduce(1, *))
          entry.tensor.copy(from: formula(salt: 1000 + number, shape: shape) * (6 / fanIn).squareRoot())
        } else {
          entry.tensor.fill(entry.name.hasSuffix("weight") ? 1 : 0)
        }
      }
      // Evaluation first: it leaves the running statistics as they are.
      expect(network, training: false, reference.eval)
      expect(network, training: true, reference.train)
    }
  }

  private func expect(_ network: ImageEncoder, training: Bool, _ reference: Forward.Pass) {
    network.train(training)
    let features = network.features(formula(salt: 7, shape: [2, 3, 64, 64]))
    let logits = network.project(features)
    #expect(features.shape == [2, network.architecture.featureSize])
    let first = features.narrowed(0..<16, dim: 1).array(of: Double.self)
    #expect(isClose(first, reference.features.flatMap { $0 }))
    #expect(isClose(logits.sum(dim: 1).array(), reference.logitsSum))
  }

  /// 1e-9 of the largest: fifty layers in another order of summation, and no room for a mistake.
  private func isClose(_ ours: [Double], _ theirs: [Double]) -> Bool {
    let scale = theirs.map(abs).max() ?? 0
    return ours.count == theirs.count && scale > 0
      && zip(ours, theirs).allSatisfy { abs($0 - $1) <= 1e-9 * scale }
  }
}
