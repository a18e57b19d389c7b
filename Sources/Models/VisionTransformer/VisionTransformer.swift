import Torch

/// Vision transformers (Dosovitskiy et al. 2021) as MoCo v3 trains them (Chen, Xie, He 2021): positions are
/// fixed, and so is by default the random projection of the patches. Or as masked auto-encoders do; see ``Start``.
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
  /// Pixels of a patch's side.
  public let patchSize: Int
  public let pooling: Pooling

  /// - Parameters:
  ///   - architecture: One of the transformers.
  ///   - imageSize: Pixels of an image's side, a multiple of the patches'.
  ///   - heads: of the attention, a divisor of the width; ``Architecture/defaultHeads`` unless given.
  ///   - pooling: how the features are made of the tokens.
  ///   - bnGroups: Groups of a convolutional stem's batch normalisations; see `BatchNorm2d`.
  ///   - freezesProjection: Whether the linear patch projection stays as it is drawn, which keeps training
  ///     stable (section 4.2); a convolutional stem learns in any case.
  ///   - fixesPositions: Whether the positions stay sines and cosines.
  ///   - start: The method whose first weights and positions it has.
  ///   - generator: draws the weights: linear layers by Glorot's uniform distribution; biases are 0.
  public convenience init(
    _ architecture: Architecture, imageSize: Int = 224, heads: Int? = nil, pooling: Pooling = .token,
    bnGroups: Int = 1, freezesProjection: Bool = true, fixesPositions: Bool = true, start: Start = .mocoV3,
    using generator: Generator
  ) {
    guard let plan = architecture.transformer else {
      preconditionFailure("\(architecture.rawValue) is no vision transformer")
    }
    self.init(
      architecture, plan, imageSize: imageSize, heads: heads ?? Architecture.defaultHeads, pooling: pooling,
      bnGroups: bnGroups, freezesProjection: freezesProjection, fixesPositions: fixesPositions, start: start,
      using: generator)
  }

  /// - Parameter plan: Sizes in place of the architecture's own.
  init(
    _ architecture: Architecture, _ plan: Architecture.Transformer, imageSize: Int, heads: Int,
    pooling: Pooling, bnGroups: Int = 1, freezesProjection: Bool, fixesPositions: Bool = true, start: Start,
    using generator: Generator
  ) {
    let patch = plan.patch
    precondition(
      imageSize > 0 && imageSize.isMultiple(of: patch),
      "images of \(imageSize) pixels have no whole \(patch)×\(patch) patches")
    self.architecture = architecture
    self.imageSize = imageSize
    patchSize = patch
    self.pooling = pooling
    let width = plan.width
    clsToken = Parameter(.normal([1, 1, width], deviation: start.tokenDeviation, using: generator))
    let side = imageSize / patch
    posEmbed = Parameter(
      generator.isShapesOnly
        ? .shapeOnly([1, 1 + side * side, width]) : start.positions(side: side, width: width),
      isFixed: fixesPositions)
    patchEmbed =
      plan.hasConvolutionalStem
      ? PatchEmbedding(convolutionsTo: width, bnGroups: bnGroups, using: generator)
      : PatchEmbedding(projectionTo: width, size: patch, isFixed: freezesProjection, using: generator)
    blocks = (0..<plan.depth).map { _ in
      TransformerBlock(
        width, heads: heads, hidden: plan.hidden, epsilon: plan.epsilon, start: start, using: generator)
    }
    norm = LayerNorm(width, epsilon: plan.epsilon)
  }

  /// Pixels of an image's side, by the number of positions in a file, at most 512 patches; nil where they are no square.
  static func imageSize(shapes: [String: [Int]]) -> Int? {
    guard let positions = shapes["pos_embed"], let side = side(ofPositions: positions) else { return nil }
    return side * (patchSize(shapes: shapes) ?? Architecture.Transformer.standardPatch)
  }

  /// Pixels of a patch's side, by the shape of the projection; nil where there is none.
  static func patchSize(shapes: [String: [Int]]) -> Int? {
    guard let projection = shapes["patch_embed.proj.weight"], projection.count == 4 else { return nil }
    return projection[3]
  }

  /// The side, in patches, of a square grid of positions and the class token's, 1×(1+side²)×C.
  static func side(ofPositions shape: [Int]) -> Int? {
    guard shape.count == 3 else { return nil }
    return (1...512).first { 1 + $0 * $0 == shape[1] }
  }

  /// Of every layer normalisation.
  package static let normEpsilon = Architecture.Transformer.standardEpsilon

  public var stageCount: Int { blocks.count }

  /// The class token behind a block, or the mean of the patches there, each normalised first: N×3×H×W → N×C.
  public func features(_ x: Tensor, stage: Int?) -> Tensor {
    pooled(tokens(x, stage: stage ?? stageCount)) { norm($0) }
  }

  /// One map, of the patches behind the last block, normalised: N×3×H×W → N×C×h×w, with h×w patches.
  public func featureMaps(_ x: Tensor) -> [Tensor] {
    let patches = norm(patches(of: tokens(x, stage: stageCount)))  // N×L×C
    return [patches.permuted([0, 2, 1]).reshaped([patches.shape.first ?? 0, -1, side, side])]
  }

  /// Patches along an image's side.
  var side: Int { imageSize / patchSize }
  /// The number of patches L.
  public var patchCount: Int { side * side }

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
    package static let standardPatch = 16
    package static let standardEpsilon = 1e-6

    package var width: Int
    package var depth: Int
    package var hasConvolutionalStem = false
    /// Pixels of a patch's side.
    package var patch = standardPatch
    /// The hidden layer of a block, over the width.
    package var mlpRatio = 4.0
    /// Of every layer normalisation.
    package var epsilon = standardEpsilon

    /// Channels of the hidden layer of a block.
    var hidden: Int { Int(Double(width) * mlpRatio) }
  }

  /// Pixels that the sides of a transformer's images are multiples of; 1 for a residual network.
  package var patchSize: Int { transformer?.patch ?? 1 }

  /// The heads of timm's network with the same tensors, where they are not ``defaultHeads``.
  package var headsInTimm: Int? { self == .vitSmall ? 6 : nil }

  /// The sizes, if it is a vision transformer. A convolutional stem takes the place of one block.
  package var transformer: Transformer? {
    switch self {
    case .vitMini: Transformer(width: 192, depth: 4, patch: 4)
    case .vitSmall: Transformer(width: 384, depth: 12)
    case .vitBase: Transformer(width: 768, depth: 12)
    case .vitConvSmall: Transformer(width: 384, depth: 11, hasConvolutionalStem: true)
    case .vitConvBase: Transformer(width: 768, depth: 11, hasConvolutionalStem: true)
    default: nil
    }
  }
}
