import TestSupport
import Testing
import Torch
@testable import Models

@Suite(.serialized) struct StochasticDepth {
  /// Every network goes on as its shortcuts alone where all branches are left out.
  @Test func aResidualNetworkWithoutItsBranchesIsItsShortcuts() {
    let network = ResNet(.resnet8, using: Generator(seed: 1))
    let blocks = network.modules.compactMap { $0 as? any StochasticDepthBlock }
    #expect(blocks.count == 3 && blocks.allSatisfy { $0.dropPaths.count == 1 })
    network.setDropPath(rate: 0.5)
    #expect(blocks.flatMap { $0.dropPaths.map(\.rate) } == [0, 0.25, 0.5])
    let x = Tensor.normal([2, 16, 4, 4], using: Generator(seed: 2))
    guard let block = blocks[1] as? BasicBlock, let shortcut = block.downsample else {
      Issue.record("\(blocks)")
      return
    }
    block.dropPath.set(isKept: [false, true])
    withNoGrad {
      let out = block(x)
      let plain = relu(shortcut(x))
      // Both are normalised with the batch's statistics, which do not depend on what is left out.
      #expect(isClose(out.selected(0), plain.selected(0)))
      #expect(!isClose(out.selected(1), plain.selected(1)))
      // Not left out, the branch counts 1 / 0.75 times.
      let branch = block.bn2(block.conv2(block.bn1.batchNormReLU(block.conv1(x))))
      #expect(isClose(out.selected(1), relu(branch / 0.75 + shortcut(x)).selected(1)))
    }
  }

  @Test func aTransformerBlockLeavesOutEachOfItsBranches() {
    let block = TransformerBlock(
      12, heads: 2, hidden: 48, epsilon: VisionTransformer.normEpsilon, start: .mocoV3,
      using: Generator(seed: 1))
    for path in block.dropPaths { path.rate = 0.5 }
    block.dropPaths[0].set(isKept: [true, false])
    block.dropPaths[1].set(isKept: [false, true])
    let x = Tensor.normal([2, 3, 12], using: Generator(seed: 2))
    withNoGrad {
      let out = block(x)
      #expect(isClose(out.selected(0), (x + block.attn(block.norm1(x)) * 2).selected(0)))
      #expect(isClose(out.selected(1), (x + block.mlp(block.norm2(x)) * 2).selected(1)))
      block.train(false)
      let whole = x + block.attn(block.norm1(x))
      #expect(isClose(block(x), whole + block.mlp(block.norm2(whole))))
    }
  }

  @Test func withoutARateNothingChanges() {
    for arch in [Architecture.resnet8, .resnet50] {
      let network = ResNet(arch, using: Generator(seed: 1))
      let x = Tensor.normal([2, 3, 32, 32], using: Generator(seed: 2))
      let before = withNoGrad { network(x).array(of: Float.self) }
      network.setDropPath(rate: 0)
      network.drawDropPaths(seed: 1, epoch: 0, samples: [0, 1])
      #expect(withNoGrad { network(x).array(of: Float.self) } == before)
    }
  }

  @Test func positionsAndPatchesLearnWhereAsked() {
    func learned(_ isLearned: Bool) -> Set<String> {
      let network = EncoderSpec(arch: .vitSmall, imageSize: 32).makeEncoder(
        freezesProjection: !isLearned, fixesPositions: !isLearned, using: Generator(seed: 1))
      return Set(network.namedParameters.map(\.name))
    }
    #expect(
      learned(true).subtracting(learned(false))
        == ["pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"])
  }

  /// Float32 in another order of summation.
  private func isClose(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.shape == b.shape else { return false }
    return zip(a.array(of: Float.self), b.array(of: Float.self)).allSatisfy { abs($0 - $1) < 2e-5 }
  }
}
