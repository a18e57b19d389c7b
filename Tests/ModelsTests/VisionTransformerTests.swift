import Foundation
import TestSupport
import Testing
import Torch
@testable import Models

/// timm's features for weights and images that a formula gives, in float64.
private struct Forward: Decodable {
  let features: [String: [[Double]]]  // behind a block; the first 16 of each of two images
  let logitsSum: [Double]
}

@Suite(.serialized) struct VisionTransformers {
  private func makeSmall(
    _ architecture: Architecture = .vitSmall, imageSize: Int = 48, freezesProjection: Bool = true
  ) -> ImageEncoder {
    EncoderSpec(arch: architecture, imageSize: imageSize, head: .linear(outputs: 1000))
      .makeEncoder(freezesProjection: freezesProjection, using: Generator(seed: 1))
  }

  @Test func featuresAndLogitsAreTimms() throws {
    let reference: Forward = try fixture("forward_vit.json")
    let network = makeSmall()
    network.convert(to: .float64)
    network.move(to: .cpu)
    network.train(false)
    withNoGrad {
      for (number, entry) in network.state.enumerated() {
        let shape = entry.tensor.shape
        if entry.name == "pos_embed" {
          entry.tensor.copy(from: formula(salt: 5, shape: shape))
        } else if shape.count > 1 {
          let fanIn = Double(shape.dropFirst().reduce(1, *))
          entry.tensor.copy(from: formula(salt: 1000 + number, shape: shape) * (6 / fanIn).squareRoot())
        } else {
          entry.tensor.fill(entry.name.hasSuffix("weight") ? 1 : 0)
        }
      }
      let x = formula(salt: 7, shape: [2, 3, 48, 48])
      for (stage, theirs) in [3, 12].map({ ($0, reference.features["\($0)"] ?? []) }) {
        let features = network.features(x, stage: stage)
        #expect(features.shape == [2, 384])
        #expect(isClose(features.narrowed(0..<16, dim: 1).array(), theirs.flatMap { $0 }), "block \(stage)")
      }
      #expect(isClose(network(x).sum(dim: 1).array(), reference.logitsSum))
    }
  }

  /// The same weights, read with another number of heads, are another network.
  @Test func theNumberOfHeadsIsPartOfTheNetwork() throws {
    let x = formula(salt: 7, shape: [1, 3, 32, 32]).to(.float32)
    let features = [nil, 12, 6].map { heads in
      let network = VisionTransformer(.vitSmall, imageSize: 32, heads: heads, using: Generator(seed: 1))
      return withNoGrad { network.features(x).array(of: Float.self) }
    }
    #expect(features[0] == features[1] && features[1] != features[2])
  }

  /// 1e-9 of the largest: twelve blocks in another order of summation, and no room for a mistake.
  private func isClose(_ ours: [Double], _ theirs: [Double]) -> Bool {
    let scale = theirs.map(abs).max() ?? 0
    return ours.count == theirs.count && scale > 0
      && zip(ours, theirs).allSatisfy { abs($0 - $1) <= 1e-9 * scale }
  }

  /// In the paper's order: sin and cos of the one place, then of the other, from fast to slow.
  @Test func positionsAreSinesAndCosinesOfRowAndColumn() {
    let width = 8
    let rows = sineCosinePositions(side: 3, width: width).array(of: Double.self)
    #expect(rows.count == 10 * width)
    #expect(rows[..<width].allSatisfy { $0 == 0 })  // the class token's
    for row in 0..<3 {
      for column in 0..<3 {
        let start = (1 + row * 3 + column) * width
        let angles = [row, column].map { place in [Double(place), Double(place) / 100] }  // 10000^(−1/2)
        let expected = angles.flatMap { $0.map { sin($0) } + $0.map { cos($0) } }
        for (ours, theirs) in zip(rows[start..<start + width], expected) {
          #expect(abs(ours - theirs) < 1e-6)  // float32
        }
      }
    }
  }

  /// The same with row and column exchanged.
  @Test func positionsOfMaskedAutoEncodersHaveTheColumnFirst() {
    let (side, width) = (5, 16)
    let own = VisionTransformer.Start.mae.positions(side: side, width: width)
    let other = sineCosinePositions(side: side, width: width)
    #expect(own.dtype == .float32 && own.shape == [1, 26, 16])
    func grid(_ positions: Tensor) -> Tensor {
      positions.narrowed(1..<26, dim: 1).reshaped([side, side, width])
    }
    let exchanged = grid(other).permuted([1, 0, 2])
    #expect((grid(own) - exchanged).abs().max().item() < 1e-6)  // float32, computed in float64 here
    #expect((grid(own) - grid(other)).abs().max().item() > 0.5)
    #expect(own.narrowed(0..<1, dim: 1).abs().max().item() == 0)
  }

  @Test func theFrozenProjectionTakesNoGradientAndAStemLearns() {
    func fixed(_ network: ImageEncoder) -> [String] {
      network.state.filter { $0.kind == .fixed }.map(\.name)
    }
    let frozen = makeSmall()
    #expect(fixed(frozen) == ["pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"])
    frozen(.ones([1, 3, 48, 48])).sum().backward()
    #expect(frozen.parameters.allSatisfy { $0.gradient != nil })
    #expect(frozen.state.filter { $0.kind == .fixed }.allSatisfy { $0.tensor.gradient == nil })

    #expect(fixed(makeSmall(freezesProjection: false)) == ["pos_embed"])
    let stem = makeSmall(.vitConvSmall)
    #expect(fixed(stem) == ["pos_embed"])
    #expect(stem.features(.ones([2, 3, 48, 48])).shape == [2, 384])
    #expect(stem.backbone.stageCount == 11)
  }

  /// Group j is the samples ≡ j modulo the groups: each comes out as if it were alone.
  @Test func theStemNormalisesInGroups() {
    func stem(_ groups: Int) -> PatchEmbedding {
      let stem = PatchEmbedding(convolutionsTo: 16, bnGroups: groups, using: Generator(seed: 1))
      stem.convert(to: .float64)
      return stem
    }
    func distance(_ a: Tensor, _ b: Tensor) -> Double {
      #expect(a.shape == b.shape)
      return zip(a.array(of: Double.self), b.array(of: Double.self)).map { abs($0 - $1) }.max() ?? .infinity
    }
    withNoGrad {
      let x = formula(salt: 3, shape: [6, 3, 32, 32])
      let together = stem(2)(x)  // 6×4×16
      for group in 0..<2 {
        let own = Tensor([group, group + 2, group + 4])
        // float64, in another order of summation at most
        #expect(distance(together.indexSelected(own), stem(1)(x.indexSelected(own))) < 1e-11)
      }
      #expect(distance(together, stem(1)(x)) > 1e-3)
    }
  }

  @Test func groupsReachTheStemOfTheWholeNetwork() throws {
    let network = EncoderSpec(arch: .vitConvSmall, imageSize: 16, head: .linear(outputs: 2))
      .makeEncoder(bnGroups: 4, using: Generator(seed: 1))
    let norms = network.modules.compactMap { $0 as? BatchNorm2d }
    #expect(norms.map(\.groups) == [4, 4, 4, 4])
    #expect(Architecture.vitConvSmall.hasBatchNorm && Architecture.resnet8.hasBatchNorm)
    #expect(!Architecture.vitBase.hasBatchNorm)
  }

  /// Glorot's ±√(6 / (fan-in + fan-out)); q, k and v each have a fan-out of 384.
  @Test(arguments: [
    ("blocks.3.attn.qkv.weight", 384 + 384), ("blocks.3.attn.proj.weight", 384 + 384),
    ("blocks.3.mlp.fc1.weight", 384 + 1536), ("patch_embed.proj.weight", 768 + 384),
  ])
  func linearLayersStartByGlorot(name: String, fans: Int) throws {
    let tensor = try #require(makeSmall().state.first { $0.name == name }?.tensor)
    let bound = (6 / Double(fans)).squareRoot()
    let largest = tensor.array(of: Double.self).map(abs).max() ?? 0
    #expect(largest <= bound * 1.000001 && largest > 0.99 * bound)
  }

  @Test func biasesStartAtZeroAndTheClassTokenAlmost() throws {
    let network = makeSmall()
    for entry in network.state where entry.name.hasSuffix("bias") && !entry.name.hasPrefix("head") {
      #expect(entry.tensor.array(of: Double.self).allSatisfy { $0 == 0 }, "\(entry.name)")
    }
    // The norm of 384 draws with a deviation of 1e-6 is 1.96e-5, give or take 4 %: five times that.
    let token = try #require(network.backbone as? VisionTransformer).clsToken.tensor
    let norm = token.detached().norm().item()
    #expect(abs(norm - 1.96e-5) < 0.4e-5)
  }
}
