import Torch

extension VisionTransformer {
  /// The class token and the patches that a mask keeps, behind the last block, normalised: no other patch goes through
  /// the network, and no token stands in its place (He et al. 2021, section 3).
  /// - Parameters:
  ///   - patches: N×L×(P·P·3), as `patchified(_:size:)` cuts them.
  ///   - mask: The kept ones.
  /// - Returns: N×(1+K)×C, the class token first, then the kept patches in the mask's order.
  public func tokens(of patches: Tensor, keeping mask: PatchMask) -> Tensor {
    patches.expect(
      [nil, patchCount, patchSize * patchSize * 3], "patches of a transformer made for \(imageSize) pixels")
    let positions = posEmbed.tensor.selected(0)  // (1+L)×C
    let seen = patchEmbed.projected(mask.visible(patches))  // N×K×C
    let placed = seen + mask.visible(positions.narrowed(1..<1 + patchCount))  // N×K×C
    let token = (clsToken.tensor + positions.narrowed(0..<1))  // 1×1×C
      .expanded([patches.shape.first ?? 0, -1, -1])
    var x = Tensor.concatenated([token, placed], dim: 1)  // N×(1+K)×C
    for block in blocks { x = block(x) }
    return norm(x)
  }

  /// The features of tokens: the class token, or the mean of the patches.
  /// - Parameters:
  ///   - tokens: N×(1+K)×C, of all patches or of some.
  ///   - norm: Applied to the tokens that are pooled, where they are not normalised yet.
  /// - Returns: N×C.
  public func pooled(_ tokens: Tensor, _ norm: (Tensor) -> Tensor = { $0 }) -> Tensor {
    switch pooling {
    case .token: norm(tokens.selected(0, dim: 1))
    case .average: norm(patches(of: tokens)).mean(dim: 1)
    }
  }

  /// The tokens without the class token: N×(1+K)×C → N×K×C.
  func patches(of tokens: Tensor) -> Tensor {
    tokens.narrowed(1..<max(1, tokens.shape.dropFirst().first ?? 1), dim: 1)
  }
}

extension PatchEmbedding {
  /// The linear map of patches that were cut out: N×K×(P·P·3) → N×K×C.
  func projected(_ patches: Tensor) -> Tensor {
    guard let proj = proj as? Conv2d else {
      preconditionFailure("convolutions see whole images, not patches")
    }
    let kernel = proj.weight.tensor  // C×3×P×P
    let matrix = kernel.permuted([0, 2, 3, 1]).reshaped([kernel.shape.first ?? 0, -1])  // C×(P·P·3)
    return linear(patches, weight: matrix, bias: proj.bias?.tensor)
  }
}
