import Models
import Torch

/// CPC: "Representation Learning with Contrastive Predictive Coding" (van den Oord, Li, Vinyals 2018, section
/// 3.2). An image is a 7×7 grid of overlapping patches; from the upper rows, the network predicts the
/// embeddings of the patches below, each among those of all images.
///
/// Two differences from the paper: the context is two convolutions that look upwards, instead of a PixelCNN,
/// and the encoder uses batch normalisation.
public final class CPC: Module, Method {
  /// The number of patches along a side.
  public static let grid = 7
  /// The distances in rows from the context to the predicted rows. The next row overlaps the context's
  /// patches, so figure 4 begins with the row after it; five rows can be predicted.
  public static let offsets = 2..<grid

  /// g_ar and the W_k: the layers behind the encoder.
  public final class Context: Module {
    let conv1: Conv2d
    let conv2: Conv2d
    let predictions: [Linear]  // W_k, one per offset

    /// - Parameter dimension: *C* of an embedding.
    public init(dimension: Int, using generator: Generator) {
      conv1 = Conv2d(dimension, dimension, kernel: 3, bias: true, using: generator)
      conv2 = Conv2d(dimension, dimension, kernel: 3, bias: true, using: generator)
      predictions = offsets.map { _ in Linear(dimension, dimension, bias: false, using: generator) }
    }

    /// The context of every position, from its own row and the rows above: B×C×7×7 → B×C×7×7.
    public override func forward(_ z: Tensor) -> Tensor { conv2(padded(relu(conv1(padded(z))))) }

    /// Adds two rows of zeros above and one column on each side.
    private func padded(_ x: Tensor) -> Tensor {
      let shape = x.shape
      guard shape.count == 4 else { return x }
      let above = Tensor.zeros([shape[0], shape[1], 2, shape[3]], dtype: x.dtype, on: x.device)
      let tall = Tensor.concatenated([above, x], dim: 2)
      let beside = Tensor.zeros([shape[0], shape[1], shape[2] + 2, 1], dtype: x.dtype, on: x.device)
      return Tensor.concatenated([beside, tall, beside], dim: 3)
    }
  }

  /// g_enc, the encoder to keep; its head makes the embedding of a patch.
  public let encoderQ: ImageEncoder
  public let context: Context

  /// - Parameters:
  ///   - context: On the encoder's device.
  ///   - encoder: A residual network with initial weights.
  public init(context: Context, encoder: ImageEncoder) {
    self.context = context
    encoderQ = encoder
  }

  /// Each view counts as an image, B = 2N.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x = batch.concatenated  // B×3×H×W
    let images = x.shape.first ?? 0
    let stride = (x.shape.last ?? 0) / (CPC.grid + 1)  // patches of two strides: neighbours overlap by half
    let corners = (0..<49).map { Corner(y: $0 / CPC.grid * stride, x: $0 % CPC.grid * stride) }
    let patches = extractPatches(x, at: .init(repeating: corners, count: images), side: 2 * stride)
    let z = encoderQ(patches).reshaped([images, CPC.grid, CPC.grid, -1])  // B×7×7×C
    let c = context(z.permuted([0, 3, 1, 2])).permuted([0, 2, 3, 1])  // B×7×7×C

    // InfoNCE (equation 4), f_k = exp(zᵀ·W_k·c) (equation 3). The keys of a prediction are the patches of its
    // row in all images: those of other images, and the other positions of the same one.
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
      "patches of an image are normalised together, which may reveal their image. Try a larger --batch-size "
        + "(now \(facts.batchSize))\(facts.ranks > 1 && !config.syncBN ? " and --sync-bn" : "")."
    },
    cutsImages: true, trainsOnSphere: false, passes: { _ in 1 })
}
