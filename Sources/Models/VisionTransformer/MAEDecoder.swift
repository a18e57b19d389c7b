import Torch

/// The decoder of a masked auto-encoder (He et al. 2021, section 3): a smaller transformer that sees the encoder's tokens,
/// and one learned token in the place of every hidden patch, and predicts the hidden patches' pixels.
///
/// The names of its state are the published code's. It is used in training only.
public final class MAEDecoder: Module {
  /// Its sizes.
  public struct Settings: Sendable, Equatable {
    public var width: Int
    public var depth: Int
    /// Heads of the attention, a divisor of the width.
    public var heads: Int

    public init(width: Int = 512, depth: Int = 8, heads: Int = 16) {
      (self.width, self.depth, self.heads) = (width, depth, heads)
    }
  }

  let decoderEmbed: Linear  // C → D
  let maskToken: Parameter  // 1×1×D
  let decoderPosEmbed: Parameter  // 1×(1+L)×D
  let decoderBlocks: [TransformerBlock]
  let decoderNorm: LayerNorm
  let decoderPred: Linear  // D → P·P·3
  public let settings: Settings

  /// - Parameters:
  ///   - settings: Its sizes.
  ///   - encoder: The network in front of it.
  ///   - generator: Draws the weights.
  public convenience init(_ settings: Settings, behind encoder: VisionTransformer, using generator: Generator)
  {
    guard let plan = encoder.architecture.transformer else {
      preconditionFailure("\(encoder.architecture.rawValue) is no vision transformer")
    }
    self.init(settings, behind: encoder, plan, using: generator)
  }

  /// - Parameter plan: Sizes of the encoder in place of its architecture's own.
  init(
    _ settings: Settings, behind encoder: VisionTransformer, _ plan: Architecture.Transformer,
    using generator: Generator
  ) {
    precondition(settings.depth > 0, "a decoder of \(settings.depth) blocks")
    self.settings = settings
    let (width, start) = (settings.width, VisionTransformer.Start.mae)
    decoderEmbed = Linear(xavier: plan.width, width, using: generator)
    maskToken = Parameter(.normal([1, 1, width], deviation: start.tokenDeviation, using: generator))
    decoderPosEmbed = Parameter(start.positions(side: encoder.side, width: width), isFixed: true)
    let hidden = Int(Double(width) * plan.mlpRatio)
    decoderBlocks = (0..<settings.depth).map { _ in
      TransformerBlock(
        width, heads: settings.heads, hidden: hidden, epsilon: plan.epsilon, start: start, using: generator)
    }
    decoderNorm = LayerNorm(width, epsilon: plan.epsilon)
    decoderPred = Linear(xavier: width, plan.patch * plan.patch * 3, using: generator)
  }

  /// The pixels of the hidden patches, in the mask's order.
  ///
  /// The tokens stay in the mask's order, the hidden ones last, and their positions are brought there instead: blocks
  /// treat all places alike, and the last one has to do with the hidden places only.
  /// - Parameters:
  ///   - latent: The encoder's tokens, N×(1+K)×C.
  ///   - mask: The one that the encoder had.
  /// - Returns: N×(L−K)×(P·P·3).
  public func predicted(_ latent: Tensor, _ mask: PatchMask) -> Tensor {
    var x = tokens(latent, mask)
    for block in decoderBlocks.dropLast() { x = block(x) }
    return decoderPred(decoderNorm(decoderBlocks[settings.depth - 1].last(mask.count - mask.kept, of: x)))
  }

  /// The pixels of all patches, in their places: N×(1+K)×C → N×L×(P·P·3).
  public func predictedEverywhere(_ latent: Tensor, _ mask: PatchMask) -> Tensor {
    var x = tokens(latent, mask)
    for block in decoderBlocks { x = block(x) }
    return mask.restored(decoderPred(decoderNorm(x).narrowed(1..<1 + mask.count, dim: 1)))
  }

  /// The tokens before the first block, in the mask's order: N×(1+K)×C → N×(1+L)×D.
  private func tokens(_ latent: Tensor, _ mask: PatchMask) -> Tensor {
    let table = decoderPosEmbed.tensor.selected(0)  // (1+L)×D
    let (first, patches) = (table.narrowed(0..<1), table.narrowed(1..<1 + mask.count))
    let seen = decoderEmbed(latent)  // N×(1+K)×D
    let token = seen.narrowed(0..<1, dim: 1) + first  // N×1×D
    let visible = seen.narrowed(1..<1 + mask.kept, dim: 1) + mask.visible(patches)  // N×K×D
    let hidden = maskToken.tensor + mask.hidden(patches)  // N×(L−K)×D
    return .concatenated([token, visible, hidden], dim: 1)  // N×(1+L)×D
  }
}
