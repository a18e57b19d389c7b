import Foundation
import Models
import Torch

/// Masked auto-encoding: "Masked Autoencoders Are Scalable Vision Learners" (He et al. 2021). A vision transformer sees
/// a quarter of an image's patches, and a small decoder, which is not kept, predicts the pixels of the others.
///
/// One view, and no contrast: nothing is compared with other images.
public final class MAE: Module, Method, ReconstructsPixels {
  /// The encoder, a vision transformer without a head.
  public let encoderQ: ImageEncoder
  public let decoder: MAEDecoder
  public let masking: MaskedReconstruction

  /// - Parameters:
  ///   - masking: Masks and pixels.
  ///   - encoder: The network with initial weights.
  ///   - decoder: Of that network, on its device.
  public init(_ masking: MaskedReconstruction, encoder: ImageEncoder, decoder: MAEDecoder) {
    (self.masking, self.decoder, encoderQ) = (masking, decoder, encoder)
  }

  /// The decoder's tensors have the published names, which begin with `decoder`, except for `mask_token`.
  public override func stateName(of property: String) -> String? {
    property == "decoder" ? nil : super.stateName(of: property)
  }

  /// Only the first view is used.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let mask = masking.mask(for: batch, patches: encoderQ.transformer.patchCount)
    return forward(batch.views[0], mask)
  }

  /// The loss of images, N×3×H×W, with the patches of `mask` hidden.
  func forward(_ x: Tensor, _ mask: PatchMask) -> StepOutput {
    let network = encoderQ.transformer
    let patches = patchified(x, size: network.patchSize)  // N×L×(P·P·3)
    let latent = network.tokens(of: patches, keeping: mask)  // N×(1+K)×C
    let predicted = decoder.predicted(latent, mask)  // N×(L−K)×(P·P·3)
    return StepOutput(loss: masking.loss(predicted, mask.hidden(patches)))
  }
}

extension MAE {
  public static let kind = MethodKind(
    name: "mae", keys: [\.maskRatio, \.normPix, \.decoderDim, \.decoderDepth, \.decoderHeads],
    head: { _ in nil },
    make: { config, context in
      let encoder = context.encoder()
      return MAE(
        masking(config, context), encoder: encoder, decoder: context.decoder(behind: encoder))
    },
    expectedLoss: { config, _ in
      config.normPix
        ? ExpectedLoss(chance: 1, formula: "every pixel predicted as the mean of its patch") : ExpectedLoss()
    },
    summary: { config, _ in summary(config) },
    shortcutCause: { _, facts in facts.againstMemorising }, trainsOnSphere: false, views: 1,
    fewestImages: 1, masksPatches: true, transformerStart: .mae, beta2: 0.95, decaysVectors: false,
    schedulesPerStep: true, passes: { _ in 1 })

  static func masking(_ config: RunConfig, _ context: MethodContext) -> MaskedReconstruction {
    MaskedReconstruction(maskRatio: config.maskRatio, normalizesPixels: config.normPix, seed: context.seed)
  }

  static func summary(_ config: RunConfig) -> String {
    "\(String(format: "%g", 100 * config.maskRatio)) % of the patches hidden, decoder of \(config.decoderDepth) blocks, "
      + "\(config.decoderDim) wide"
  }
}
