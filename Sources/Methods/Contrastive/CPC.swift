import Models
import Torch

/// CPC: "Representation Learning with Contrastive Predictive Coding" (van den Oord, Li, Vinyals 2018, section 3.2). An
/// image is a 7×7 grid of overlapping patches; from the rows above, the network predicts the embeddings of the patches
/// below, each among those of all images.
///
/// Where the paper has a PixelCNN, the context here is two convolutions that look upwards; and the encoder normalises
/// by batches, which the paper's does not.
public final class CPC: Module, Method {
  /// Patches along a side.
  public static let grid = 7
  /// How many rows below the context the predicted ones lie. The next row overlaps what the context has seen, so that
  /// figure 4 begins with the one after; five rows can be predicted.
  public static let offsets = 2..<grid

  /// g_ar and the W_k: what comes behind the encoder.
  public final class Context: Module {
    let conv1: Conv2d
    let conv2: Conv2d
    let predictions: [Linear]  // W_k, one an offset

    /// - Parameter dimension: *C* of an embedding.
    public init(dimension: Int, using generator: Generator) {
      conv1 = Conv2d(dimension, dimension, kernel: 3, bias: true, using: generator)
      conv2 = Conv2d(dimension, dimension, kernel: 3, bias: true, using: generator)
      predictions = offsets.map { _ in Linear(dimension, dimension, bias: false, using: generator) }
    }

    /// The context of every place, of the rows down to its own: B×C×7×7 → B×C×7×7.
    public override func forward(_ z: Tensor) -> Tensor { conv2(padded(relu(conv1(padded(z))))) }

    /// Two rows of zeros above and one column on either side.
    private func padded(_ x: Tensor) -> Tensor {
      let shape = x.shape
      guard shape.count == 4 else { return x }
      let above = Tensor.zeros([shape[0], shape[1], 2, shape[3]], dtype: x.dtype, on: x.device)
      let tall = Tensor.concatenated([above, x], dim: 2)
      let beside = Tensor.zeros([shape[0], shape[1], shape[2] + 2, 1], dtype: x.dtype, on: x.device)
      return Tensor.concatenated([beside, tall, beside], dim: 3)
    }
  }

  /// g_enc: what remains in the end; its head makes the embedding of a patch.
  public let encoderQ: ImageEncoder
  public let context: Context

  /// - Parameters:
  ///   - context: where the encoder is.
  ///   - encoder: a residual network with fresh weights.
  public init(context: Context, encoder: ImageEncoder) {
    self.context = context
    encoderQ = encoder
  }

  /// Each view counts as an image, B = 2N.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x = batch.concatenated  // B×3×H×W
    let images = x.shape.first ?? 0
    let stride = (x.shape.last ?? 0) / (CPC.grid + 1)  // patches of two strides: half of each overlaps
    let corners = (0..<49).map { Corner(y: $0 / CPC.grid * stride, x: $0 % CPC.grid * stride) }
    let patches = extractPatches(x, at: .init(repeating: corners, count: images), side: 2 * stride)
    let z = encoderQ(patches).reshaped([images, CPC.grid, CPC.grid, -1])  // B×7×7×C
    let c = context(z.permuted([0, 3, 1, 2])).permuted([0, 2, 3, 1])  // B×7×7×C

    // InfoNCE (equation 4), f_k = exp(zᵀ·W_k·c) (equation 3). The keys of a prediction are the patches of its row in
    // all images: other images', and other places' of the same one.
    let targets = Tensor.arange(images * CPC.grid, on: x.device)  // B·7
    var losses: [Tensor] = []
    var first: Tensor?
    for (offset, predict) in zip(CPC.offsets, context.predictions) {
      for row in 0..<CPC.grid - offset {
        let predicted = predict(c.selected(row, dim: 1).reshaped([images * CPC.grid, -1]))  // B·7×C
        let keys = z.selected(row + offset, dim: 1).reshaped([images * CPC.grid, -1])  // B·7×C
        let logits = similarities(predicted, keys)  // B·7×B·7
        losses.append(crossEntropy(logits, targets))
        first = first ?? logits
      }
    }
    let embedding = l2Normalized(z.detached().mean(dims: [1, 2]))  // B×C
    return StepOutput(
      loss: Tensor.stacked(losses).mean(), logits: first, targets: targets,
      features: halves(embedding))
  }
}

extension CPC {
  public static let kind = MethodKind(
    name: "cpc", keys: [\.mocoDim, \.mlp], head: Head.ofKey,
    make: { config, context in
      let predictions = Context(dimension: config.mocoDim, using: context.generator)
      predictions.move(to: context.device)
      return CPC(context: predictions, encoder: context.encoder())
    },
    expectedLoss: { _, _ in ExpectedLoss() }, answer: .positiveKey,
    shortcutCause: { config, facts in
      "patches of an image are normalised together, which may tell whose they are. Try a larger --batch-size "
        + "(now \(facts.batchSize))\(facts.ranks > 1 && !config.syncBN ? " and --sync-bn" : "")."
    },
    cutsImages: true, trainsOnSphere: false)
}
