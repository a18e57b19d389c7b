import Testing
import Torch
@testable import Models

@Suite struct InitialWeights {
  private let network = EncoderSpec(arch: .resnet18, head: .linear(outputs: 128))
    .makeEncoder(using: Generator(seed: 1))

  /// N(0, 2 / (outputs · kernel²)), He et al. 2015 with fan-out. Of n draws the mean has a standard error of
  /// σ/√n and the deviation one of σ/√(2n); five of them are allowed.
  @Test func convolutionsAreDrawnWithFanOut() {
    let convolutions = network.namedParameters.filter { $0.tensor.rank == 4 }
    #expect(convolutions.count == 20)
    for entry in convolutions {
      let shape = entry.tensor.shape, count = Double(entry.tensor.count)
      let deviation = (2 / Double(shape[0] * shape[2] * shape[3])).squareRoot()
      let (mean, found) = moments(entry.tensor)
      #expect(abs(mean) < 5 * deviation / count.squareRoot(), "\(entry.name)")
      #expect(abs(found - deviation) < 5 * deviation / (2 * count).squareRoot(), "\(entry.name)")
    }
  }

  /// U(±1/√512): its deviation is 1/√(3·512), known to 0.5 % from 65536 draws.
  @Test func theHeadIsDrawnFromPyTorchsRange() throws {
    for name in ["fc.weight", "fc.bias"] {
      let tensor = try #require(network.state.first { $0.name == name }?.tensor)
      let largest = tensor.detached().abs().reshaped([-1]).max(dim: 0).item()
      #expect(largest <= 1 / 512.0.squareRoot() && largest > 0.9 / 512.0.squareRoot())
    }
    let weight = try #require(network.state.first { $0.name == "fc.weight" }?.tensor)
    let deviation = 1 / (3 * 512.0).squareRoot()
    #expect(abs(moments(weight).deviation - deviation) < 0.01 * deviation)
  }

  @Test func normalisationStartsAsTheIdentity() {
    for entry in network.state where entry.name.contains("bn") || entry.name.contains("downsample.1") {
      let start = entry.name.hasSuffix("weight") || entry.name.hasSuffix("running_var") ? 1.0 : 0
      #expect(Set(entry.tensor.array(of: Double.self)) == [start], "\(entry.name)")
    }
  }

  @Test(arguments: [(Architecture.resnet18, 8), (.resnet50, 16)])
  func residualBlocksStartAsTheirShortcutsWhereAsked(architecture: Architecture, blocks: Int) {
    let network = EncoderSpec(arch: architecture, head: .linear(outputs: 8))
      .makeEncoder(zeroResiduals: true, using: Generator(seed: 1))
    let zero = network.namedParameters.filter {
      $0.name.hasSuffix("weight") && $0.tensor.array(of: Double.self).allSatisfy { $0 == 0 }
    }
    #expect(zero.count == blocks)
    let last = architecture == .resnet18 ? "bn2.weight" : "bn3.weight"
    #expect(zero.allSatisfy { $0.name.hasSuffix(last) })
  }

  @Test func theSameSeedGivesTheSameWeightsAndAnotherSeedOthers() {
    func weights(_ seed: UInt64) -> [[Float]] {
      EncoderSpec(arch: .resnet8, head: .mlp(outputs: 16)).makeEncoder(using: Generator(seed: seed))
        .parameters
        .map { $0.array() }
    }
    let first = weights(3), again = weights(3), other = weights(4)
    #expect(first == again)
    #expect(first[0] != other[0] && first.last != other.last)
  }

  private func moments(_ x: Tensor) -> (mean: Double, deviation: Double) {
    withNoGrad {
      let mean = x.to(.float64).mean().item()
      return (mean, (x.to(.float64) - mean).pow(2).mean().sqrt().item())
    }
  }
}
