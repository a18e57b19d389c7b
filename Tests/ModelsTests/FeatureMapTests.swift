import Testing
import TestSupport
import Torch
@testable import Models

@Suite struct FeatureMaps {
  /// C2 to C5 at a quarter to a 32nd of the image.
  @Test(arguments: [(Architecture.resnet18, 64), (.resnet50, 256)])
  func mapsOfAResNetHalveInSizeAndDoubleInChannels(arch: Architecture, channels: Int) {
    let network = ResNet(arch, using: Generator(seed: 1))
    network.train(false)
    withNoGrad {
      let x = Tensor.normal([2, 3, 64, 64], using: Generator(seed: 2))
      let maps = network.featureMaps(x)
      #expect(maps.map(\.shape) == (0..<4).map { [2, channels << $0, 16 >> $0, 16 >> $0] })
      for stage in 1...4 {
        let pooled = maps[stage - 1].mean(dim: 3).mean(dim: 2)
        // A mean in another order of summation.
        #expect(isClose(pooled, network.features(x, stage: stage)), "stage \(stage)")
      }
      #expect(network.features(x).array(of: Float.self) == network.features(x, stage: 4).array())
    }
  }

  @Test func theSmallStemKeepsTheSizeInTheFirstMap() {
    let network = ResNet(.resnet8, using: Generator(seed: 1))
    let maps = withNoGrad { network.featureMaps(.ones([2, 3, 32, 24])) }
    #expect(maps.map(\.shape) == [[2, 16, 32, 24], [2, 32, 16, 12], [2, 64, 8, 6]])
  }

  /// Detection takes images of any size.
  @Test func mapsOfOddImagesAreRoundedUp() {
    let network = ResNet(.resnet18, using: Generator(seed: 1))
    let maps = withNoGrad { network.featureMaps(.ones([2, 3, 65, 97])) }
    #expect(maps.map { Array($0.shape[2...]) } == [[17, 25], [9, 13], [5, 7], [3, 4]])
  }

  @Test func theMapOfATransformerHasAPixelForEachPatch() {
    let network = VisionTransformer(.vitSmall, imageSize: 48, using: Generator(seed: 1))
    withNoGrad {
      let x = Tensor.normal([2, 3, 48, 48], using: Generator(seed: 2))
      let maps = network.featureMaps(x)
      #expect(maps.map(\.shape) == [[2, 384, 3, 3]])
      // Row by row: the patch of row 1 and column 2 is token 1 + 3·1 + 2.
      let tokens = network.norm(network.tokens(x, stage: network.stageCount))
      #expect(
        maps[0].selected(1, dim: 2).selected(2, dim: 2).array(of: Float.self)
          == tokens.selected(6, dim: 1).array(of: Float.self))
    }
  }

  private func isClose(_ a: Tensor, _ b: Tensor) -> Bool {
    let (a, b) = (a.array(of: Double.self), b.array(of: Double.self))
    let scale = b.map(abs).max() ?? 0
    return a.count == b.count && scale > 0 && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * scale }
  }
}

@Suite struct Freezing {
  /// detectron2 counts the stem as stage 1; its default is 2.
  @Test(arguments: [(0, 0), (1, 3), (2, 9), (3, 18), (4, 27)])
  func frozenStagesTakeNoGradientAndTheRestDoes(stage: Int, frozen: Int) {
    let network = ResNet(.resnet8, using: Generator(seed: 1))
    let all = network.namedParameters.map(\.name)
    network.freeze(at: stage)
    let beginnings = ["conv1.", "bn1.", "layer1.", "layer2.", "layer3."].prefix(stage == 0 ? 0 : stage + 1)
    let expected = all.filter { name in beginnings.contains { name.hasPrefix($0) } }
    let fixed = network.state.filter { $0.kind == .fixed }
    #expect(fixed.map(\.name) == expected && fixed.count == frozen)
    #expect(network.namedParameters.map(\.name) == all.filter { !expected.contains($0) })
    guard frozen < all.count else { return }
    network(.normal([4, 3, 16, 16], using: Generator(seed: 2))).sum().backward()
    #expect(fixed.allSatisfy { $0.tensor.gradient == nil && !$0.tensor.requiresGrad })
    #expect(network.parameters.allSatisfy { $0.gradient != nil })
  }

  @Test func anOptimizerLeavesFrozenParameters() {
    let network = ResNet(.resnet8, using: Generator(seed: 1))
    network.freeze(at: 2)
    let before = network.state.map { $0.tensor.array(of: Float.self) }
    let optimizer = SGD(network.parameters, momentum: 0.9, weightDecay: 0.1)
    network.train(false)
    for _ in 0..<2 {
      network(.normal([4, 3, 16, 16], using: Generator(seed: 2))).pow(2).sum().backward()
      optimizer.step(learningRate: 0.1)
    }
    for (entry, old) in zip(network.state, before) {
      #expect((entry.tensor.array(of: Float.self) == old) == (entry.kind != .parameter), "\(entry.name)")
    }
  }

  @Test func aFrozenEncoderLearnsNothing() {
    let encoder = EncoderSpec(arch: .resnet8, head: .linear(outputs: 4)).makeEncoder(
      using: Generator(seed: 1))
    encoder.backbone.freeze()
    #expect(encoder.namedParameters.map(\.name) == ["fc.weight", "fc.bias"])
    encoder.freeze()
    #expect(encoder.parameters.isEmpty && encoder.state.count { $0.kind == .fixed } == 29)
  }

  /// As ``BatchNorm2d`` in evaluation mode, also in training mode, and without counters.
  @Test func aResNetIsBuiltWithFrozenNormalisation() throws {
    let trained = ResNet(.resnet8, using: Generator(seed: 1))
    _ = withNoGrad { trained(.normal([4, 3, 16, 16], using: Generator(seed: 2))) }  // moves the statistics
    trained.train(false)
    let frozen = ResNet(.resnet8, norm: .frozen, using: Generator(seed: 3))
    let theirs = Dictionary(uniqueKeysWithValues: trained.state.map { ($0.name, $0.tensor) })
    withNoGrad {
      for entry in frozen.state { entry.tensor.copy(from: theirs[entry.name]!) }
    }
    #expect(
      frozen.state.map(\.name) == trained.state.map(\.name).filter { !$0.hasSuffix("num_batches_tracked") })
    #expect(frozen.parameters.allSatisfy { $0.rank == 4 })
    let x = Tensor.normal([2, 3, 16, 16], using: Generator(seed: 4))
    #expect(withNoGrad { frozen(x) }.array(of: Float.self) == withNoGrad { trained(x) }.array())
    frozen(x).sum().backward()
    #expect(frozen.parameters.allSatisfy { $0.gradient != nil })
  }
}
