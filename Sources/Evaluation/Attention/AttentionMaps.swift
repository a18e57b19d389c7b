import Data
import Images
import Models
import Torch

/// Where an encoder looks in images, a map for each.
package struct AttentionMaps {
  /// What the maps show.
  package enum Kind: Sendable, Equatable {
    /// The class token's attention to each patch in the last block of a vision transformer, in multiples of an even
    /// share of all tokens.
    case classToken
    /// The Euclidean norm of the last feature map at each place, of a network without a class token: the root of the
    /// activation-based attention map of Zagoruyko and Komodakis (2017, section 3.1) with p = 2.
    case featureNorm

    /// As the beginning of a sentence.
    package var title: String {
      switch self {
      case .classToken: "Attention of the class token"
      case .featureNorm: "Norm of the last feature map"
      }
    }

    /// Behind a number.
    package var unit: String {
      switch self {
      case .classToken: " times an even share"
      case .featureNorm: ""
      }
    }
  }

  package let kind: Kind
  /// The images as the network sees them, before normalisation.
  package let pictures: [RGBImage]
  /// N×h×w float32 on the CPU; of a class token the mean over its heads.
  package let maps: Tensor
  /// N×heads×h×w float32 on the CPU; nil without a class token.
  package let heads: Tensor?
  /// Whether the features are the mean of a transformer's patches, without the class token.
  package let poolsPatches: Bool

  /// - Parameters:
  ///   - network: In evaluation mode.
  ///   - images: N×3×H×W, normalised.
  ///   - pictures: The same N images.
  init(of network: ImageEncoder, _ images: Tensor, pictures: [RGBImage]) throws {
    self.pictures = pictures
    guard let transformer = network.backbone as? VisionTransformer else {
      (kind, heads, poolsPatches) = (.featureNorm, nil, false)
      maps = try withTorchErrors { withNoGrad { AttentionMaps.norms(network.backbone, images) } }
      try checkFinite()
      return
    }
    let shares = try withTorchErrors { withNoGrad { AttentionMaps.shares(transformer, images) } }
    (kind, heads, poolsPatches) = (.classToken, shares, transformer.pooling == .average)
    maps = try withTorchErrors { shares.mean(dim: 1) }  // N×h×w
    try checkFinite()
  }

  /// The norms of the last feature map: N×3×H×W → N×h×w.
  private static func norms(_ backbone: any Backbone, _ images: Tensor) -> Tensor {
    guard let map = backbone.featureMaps(images).last else {
      preconditionFailure("\(backbone.architecture.rawValue) has no feature map")
    }
    return map.to(.float32).norm(dim: 1).to(.cpu).contiguous()
  }

  /// The class token's attention to the patches, of which 1 is an even share: N×3×H×W → N×heads×h×w.
  private static func shares(_ transformer: VisionTransformer, _ images: Tensor) -> Tensor {
    let attention = transformer.classAttention(images).to(.float32).to(.cpu)  // N×heads×(1+h·w)
    let shape = attention.shape
    guard shape.count == 3 else { return attention }  // undefined after an error
    let (n, heads, tokens) = (shape[0], shape[1], shape[2])
    let side = Int(Double(tokens - 1).squareRoot().rounded())
    precondition(side * side == tokens - 1, "\(tokens - 1) patches are no square")
    return (attention.narrowed(1..<tokens, dim: 2) * Double(tokens)).reshaped([n, heads, side, side])
  }

  private func checkFinite() throws {
    guard try withTorchErrors({ maps.isAllFinite() }) else { throw EvaluationError.notFinite("images") }
  }
}

extension EvaluationData {
  /// Where an encoder looks in some of the images.
  /// - Parameters:
  ///   - encoder: It is in evaluation mode during the call.
  ///   - samples: The images' numbers in the data set, at least one.
  ///   - device: The encoder's device.
  package func attention(
    of encoder: ImageEncoder, to samples: [Int], on device: Device
  ) throws -> AttentionMaps {
    let wasTraining = encoder.isTraining
    encoder.train(false)
    defer { encoder.train(wasTraining) }
    let pictures = try pictures(of: samples)
    return try AttentionMaps(of: encoder, inputs(of: pictures, on: device), pictures: pictures)
  }
}
