import Models
import Torch

/// Masked images with a momentum encoder: the query encoder sees a masked image, the key encoder another view of it,
/// whole. The loss is a masked auto-encoder's (He et al. 2021) and a contrast through MoCo's queue (He et al. 2020).
///
/// A design of this project, after CMAE (Huang et al. 2022): the same share of both losses, heads, and momentum, but with a queue for
/// a large batch, two crops for shifts of pixels, and no decoder of features.
public final class MoCoMAE: Module, Method, ReconstructsPixels {
  public struct Settings: Sendable, Equatable {
    /// *τ*
    public var temperature: Double
    /// The weight of the contrast beside the reconstruction.
    public var contrastWeight: Double

    /// - Parameter contrastWeight: 2τ unless given, as in MoCo v3.
    public init(temperature: Double, contrastWeight: Double? = nil) {
      (self.temperature, self.contrastWeight) = (temperature, contrastWeight ?? 2 * temperature)
    }
  }

  /// Backbone and projector of f_q, the encoder to keep.
  public let encoderQ: ImageEncoder
  /// f_k
  public let encoderK: MomentumEncoder
  /// The last layers of f_q, behind backbone and projector.
  public let predictor: Module
  public let decoder: MAEDecoder
  /// The dictionary.
  public let queue: KeyQueue
  public let settings: Settings
  public let masking: MaskedReconstruction
  /// The processes that train together; each has its rows of the batch.
  public let ranks: ProcessGroup
  private let contrast: InfoNCE

  /// - Parameters:
  ///   - settings: Of the contrast.
  ///   - masking: Masks and pixels.
  ///   - queue: The initial dictionary.
  ///   - predictor: Layers from keys to keys, on the encoders' device.
  ///   - decoder: Of the query encoder, on its device.
  ///   - ranks: The processes that train together.
  ///   - encoders: f_q and a network of its structure for f_k, whose state is overwritten.
  public init(
    _ settings: Settings, _ masking: MaskedReconstruction, queue: KeyQueue, predictor: Module,
    decoder: MAEDecoder, ranks: ProcessGroup = .alone, encoders: (query: ImageEncoder, key: ImageEncoder)
  ) {
    (self.settings, self.masking, self.ranks) = (settings, masking, ranks)
    (self.queue, self.predictor, self.decoder) = (queue, predictor, decoder)
    encoderQ = encoders.query
    encoderK = MomentumEncoder(of: encoders.query, copy: encoders.key)
    contrast = InfoNCE(temperature: settings.temperature)
  }

  /// The decoder's tensors have the published names, which begin with `decoder`, except for `mask_token`.
  public override func stateName(of property: String) -> String? {
    property == "decoder" ? nil : super.stateName(of: property)
  }

  /// θ_k ← m·θ_k + (1 − m)·θ_q
  public func beforeForward(momentum m: Double) { encoderK.update(momentum: m) }

  public func forward(_ batch: ViewBatch) -> StepOutput {
    let mask = masking.mask(for: batch, patches: encoderQ.transformer.patchCount)
    return losses(batch, mask).output
  }

  /// Both losses, and their sum as a step's. N is the number of this rank's images, W·N of all ranks'.
  func losses(_ batch: ViewBatch, _ mask: PatchMask) -> (
    reconstruction: Tensor, contrast: Tensor, output: StepOutput
  ) {
    let xq = batch.views[0], xk = batch.views[1]  // N×3×H×W
    let network = encoderQ.transformer
    // The keys are sent to the other ranks while the queries are encoded.
    let (keys, (pixels, q)) = ranks.allGather(encoderK.keys(xk)) {
      let patches = patchified(xq, size: network.patchSize)  // N×L×(P·P·3)
      let latent = network.tokens(of: patches, keeping: mask)  // N×(1+K)×C
      let predicted = decoder.predicted(latent, mask)  // N×(L−K)×(P·P·3)
      let z = encoderQ.project(network.pooled(latent))  // N×D
      return (masking.loss(predicted, mask.hidden(patches)), l2Normalized(predictor(z)))
    }  // W·N×D; scalar, N×D
    let k = ranks.localShard(keys)  // N×D
    let (found, logits) = contrast(q, k, negatives: queue.keys)  // scalar, N×(1+K)
    let output = StepOutput(
      loss: pixels + found * settings.contrastWeight, logits: logits, features: (q.detached(), k),
      keys: ranks.inBatchOrder(keys, dealt: batch.dealing))
    return (pixels, found, output)
  }

  /// Enqueues the keys after the backward pass.
  public func afterStep(_ parts: [StepOutput]) {
    for part in parts { part.keys.map(queue.enqueue) }
  }

  public func enqueueKeys(of batch: ViewBatch) {
    let keys = ranks.allGather(encoderK.keys(batch.views[1]))  // W·N×D
    queue.enqueue(ranks.inBatchOrder(keys, dealt: batch.dealing))
  }
}

extension MoCoMAE {
  public static let kind = MethodKind(
    name: "moco-mae", hasQueue: true,
    keys: [
      \.maskRatio, \.normPix, \.decoderDim, \.decoderDepth, \.decoderHeads, \.mocoDim, \.mocoMlpDim, \.mocoK,
      \.mocoM, \.mocoMCos, \.mocoT, \.contrastWeight,
    ],
    head: head,
    make: { config, context in
      let queue = KeyQueue(
        capacity: config.mocoK, dimension: config.mocoDim, on: context.device, using: context.generator)
      let predictor = context.layers(head(config), inputs: config.mocoDim)
      let encoders = (query: context.encoder(), key: context.encoder())
      return MoCoMAE(
        Settings(temperature: config.mocoT, contrastWeight: config.contrastWeight),
        MAE.masking(config, context), queue: queue, predictor: predictor,
        decoder: context.decoder(behind: encoders.query), ranks: context.ranks, encoders: encoders)
    },
    expectedLoss: { _, _ in
      ExpectedLoss(
        course:
          "the loss is the reconstruction's and the contrast's; the contrast rises while the queue fills.")
    },
    summary: { config, _ in
      "K \(config.mocoK), m \(config.mocoM), τ \(config.mocoT), \(MAE.summary(config))"
    },
    answer: .positiveKey,
    shortcutCause: {
      MoCoV3.sharedBatchCause($1, $0, remedy: "more negatives by a larger --moco-k (now \($0.mocoK))")
    }, masksPatches: true,
    transformerStart: .mae, beta2: 0.95, decaysVectors: false, schedulesPerStep: true, passes: { _ in 1 },
    exchanges: { config, _ in [.keys(config.mocoDim)] })

  /// Projector and predictor.
  private static func head(_ config: RunConfig) -> Head {
    .biasedMLP(hidden: config.mocoMlpDim, outputs: config.mocoDim)
  }
}
