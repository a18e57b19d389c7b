import Torch

/// Vision transformers (Dosovitskiy et al. 2021) as MoCo v3 trains them (Chen, Xie, He 2021): positions are
/// fixed, and so is by default the random projection of the patches.
///
/// State-dict keys, shapes and order are timm's, with the features behind `norm`. Renaming a property here renames tensors
/// in every file of weights (StateDictTests).
public final class VisionTransformer: Module, Backbone {
  let clsToken: Parameter  // 1×1×C
  let posEmbed: Parameter  // 1×(1+L)×C
  let patchEmbed: PatchEmbedding
  let blocks: [TransformerBlock]
  let norm: LayerNorm
  public let architecture: Architecture
  /// Pixels of an image's side.
  public let imageSize: Int
  public let pooling: Pooling

  /// - Parameters:
  ///   - architecture: One of the transformers.
  ///   - imageSize: Pixels of an image's side, a multiple of 16.
  ///   - heads: of the attention, a divisor of the width; ``Architecture/defaultHeads`` unless given.
  ///   - pooling: how the features are made of the tokens.
  ///   - bnGroups: Groups of a convolutional stem's batch normalisations; see `BatchNorm2d`.
  ///   - freezesProjection: Whether the linear patch projection stays as it is drawn, which keeps training
  ///     stable (section 4.2); a convolutional stem learns in any case.
  ///   - fixesPositions: Whether the positions stay sines and cosines.
  ///   - generator: draws the weights: linear layers by Glorot's uniform distribution, *q*, *k*
  ///     and *v* as three matrices; biases are 0.
  public init(
    _ architecture: Architecture, imageSize: Int = 224, heads: Int? = nil, pooling: Pooling = .token,
    bnGroups: Int = 1, freezesProjection: Bool = true, fixesPositions: Bool = true,
    using generator: Generator
  ) {
    guard let plan = architecture.transformer else {
      preconditionFailure("\(architecture.rawValue) is no vision transformer")
    }
    let patch = PatchEmbedding.size
    precondition(
      imageSize > 0 && imageSize.isMultiple(of: patch),
      "images of \(imageSize) pixels have no whole \(patch)×\(patch) patches")
    self.architecture = architecture
    self.imageSize = imageSize
    self.pooling = pooling
    let width = plan.width
    clsToken = Parameter(.normal([1, 1, width], deviation: 1e-6, using: generator))
    let side = imageSize / patch
    posEmbed = Parameter(
      generator.isShapesOnly
        ? .shapeOnly([1, 1 + side * side, width]) : sineCosinePositions(side: side, width: width),
      isFixed: fixesPositions)
    patchEmbed =
      plan.hasConvolutionalStem
      ? PatchEmbedding(convolutionsTo: width, bnGroups: bnGroups, using: generator)
      : PatchEmbedding(projectionTo: width, isFixed: freezesProjection, using: generator)
    blocks = (0..<plan.depth).map { _ in
      TransformerBlock(width, heads: heads ?? Architecture.defaultHeads, using: generator)
    }
    norm = LayerNorm(width, epsilon: TransformerBlock.epsilon)
  }

  /// Pixels of an image's side, by the number of positions in a file, at most 8192; nil where they are no square.
  static func imageSize(shapes: [String: [Int]]) -> Int? {
    guard let positions = shapes["pos_embed"], positions.count == 3 else { return nil }
    return (1...512).first { 1 + $0 * $0 == positions[1] }.map { $0 * PatchEmbedding.size }
  }

  /// Of every layer normalisation.
  package static let normEpsilon = TransformerBlock.epsilon

  public var stageCount: Int { blocks.count }

  /// The class token behind a block, or the mean of the patches there, each normalised first: N×3×H×W → N×C.
  public func features(_ x: Tensor, stage: Int?) -> Tensor {
    let stage = stage ?? stageCount
    return switch pooling {
    case .token: norm(tokens(x, stage: stage).selected(0, dim: 1))  // N×C
    case .average: patches(x, stage: stage).mean(dim: 1)  // N×C
    }
  }

  /// One map, of the patches behind the last block, normalised: N×3×H×W → N×C×H/16×W/16.
  public func featureMaps(_ x: Tensor) -> [Tensor] {
    let side = imageSize / PatchEmbedding.size
    let patches = patches(x, stage: stageCount)
    return [patches.permuted([0, 2, 1]).reshaped([patches.shape.first ?? 0, -1, side, side])]
  }

  /// The patches behind a block, normalised: N×3×H×W → N×L×C.
  private func patches(_ x: Tensor, stage: Int) -> Tensor {
    let side = imageSize / PatchEmbedding.size
    return norm(tokens(x, stage: stage).narrowed(1..<1 + side * side, dim: 1))
  }

  /// The class token and the patches behind a block: N×3×H×W → N×(1+L)×C.
  func tokens(_ x: Tensor, stage wanted: Int) -> Tensor {
    precondition((1...stageCount).contains(wanted), "stage \(wanted) of \(stageCount)")
    x.expect([nil, 3, imageSize, imageSize], "images of a transformer made for \(imageSize) pixels")
    let patches = patchEmbed(x)  // N×L×C
    let token = clsToken.tensor.expanded([patches.shape.first ?? 0, -1, -1])  // N×1×C
    var x = Tensor.concatenated([token, patches], dim: 1) + posEmbed.tensor  // N×(1+L)×C
    for block in blocks.prefix(wanted) { x = block(x) }
    return x
  }

  /// The features: N×3×H×W → N×C.
  public override func forward(_ x: Tensor) -> Tensor { features(x) }
}

/// The position embedding of a square grid of patches, in two dimensions (Chen, Xie, He 2021, section 5): for
/// ω = 10000^(−i/n), i = 0 …< n, a quarter of the channels each is sin(row·ω), cos(row·ω), sin(column·ω),
/// cos(column·ω). The class token's is 0. → 1×(1+side²)×width
func sineCosinePositions(side: Int, width: Int) -> Tensor {
  precondition(
    width.isMultiple(of: 4), "\(width) channels do not divide into sines and cosines of two places")
  // In float32 and by LibTorch, rounding for rounding as in the published code: positions that are off by one
  // unit in the last place change the loss of a third step by some 1e-6.
  let count = width / 4
  let exponents = Tensor.arange(count, dtype: .float32) / Double(count)
  let frequencies = exponents.power(of: 10000).pow(-1)  // n
  let angles = Tensor.arange(side, dtype: .float32).reshaped([side, 1]) * frequencies  // side×n
  let waves = Tensor.concatenated([angles.sin(), angles.cos()], dim: 1)  // side×2n
  let rows = waves.reshaped([side, 1, 2 * count]).expanded([side, side, 2 * count])
  let columns = waves.reshaped([1, side, 2 * count]).expanded([side, side, 2 * count])
  let grid = Tensor.concatenated([rows, columns], dim: 2).reshaped([side * side, width])
  return Tensor.concatenated([.zeros([1, width]), grid]).reshaped([1, 1 + side * side, width])
}

/// How a vision transformer's features are made of its tokens. A residual network's are always the mean over all places.
public enum Pooling: String, Codable, Sendable, CaseIterable {
  /// The class token.
  case token
  /// The mean of the patches.
  case average
}

extension Architecture {
  /// Heads of a vision transformer: 12 in every size, as in MoCo v3, where others give a small one 6.
  public static let defaultHeads = 12

  /// Sizes of a vision transformer.
  package struct Transformer {
    package let width: Int
    package let depth: Int
    package let hasConvolutionalStem: Bool
  }

  /// The heads of timm's network with the same tensors, where they are not ``defaultHeads``.
  package var headsInTimm: Int? { self == .vitSmall ? 6 : nil }

  /// The sizes, if it is a vision transformer. A convolutional stem takes the place of one block.
  package var transformer: Transformer? {
    switch self {
    case .vitSmall: Transformer(width: 384, depth: 12, hasConvolutionalStem: false)
    case .vitBase: Transformer(width: 768, depth: 12, hasConvolutionalStem: false)
    case .vitConvSmall: Transformer(width: 384, depth: 11, hasConvolutionalStem: true)
    case .vitConvBase: Transformer(width: 768, depth: 11, hasConvolutionalStem: true)
    default: nil
    }
  }
}
