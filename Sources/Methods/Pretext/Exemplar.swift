import Models
import Torch

/// Exemplar: every image is a class of its own, with its views as examples (Dosovitskiy et al. 2014, "Discriminative
/// Unsupervised Feature Learning with Convolutional Neural Networks"). There are too many classes for a softmax, and so
/// a triplet loss brings two views of an image nearer to one another than to another image, as in "Multi-task
/// Self-Supervised Visual Learning" (Doersch, Zisserman 2017).
public final class Exemplar: Module, Method {
  public let loss: TripletLoss
  /// The encoder; its head makes the embedding that is compared.
  public let encoderQ: ImageEncoder

  /// - Parameter encoder: The network with initial weights.
  public init(loss: TripletLoss, encoder: ImageEncoder) {
    self.loss = loss
    encoderQ = encoder
  }

  public var isCapturable: Bool { true }

  /// The other image of an image is the next one in this rank's batch, whose order is drawn every epoch.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let n = batch.count
    precondition(n > 1, "a batch of \(n) image has no other image")
    let z = l2Normalized(encoderQ(batch.concatenated))  // 2N×C
    let (anchors, positives) = halves(z)  // N×C each
    let negatives = Tensor.concatenated([positives.narrowed(1..<n), positives.narrowed(0..<1)])  // N×C
    return StepOutput(
      loss: loss.terms(anchors, positives, negatives).mean(), logits: similarities(anchors, positives),
      targets: .arange(n, on: z.device), features: (anchors.detached(), positives.detached()))
  }
}

/// max(0, D(a, p) − D(a, n) + M) with the cosine distance D = 1 − cos.
public struct TripletLoss: Sendable, Equatable {
  /// *M*
  public let margin: Double

  public init(margin: Double) {
    precondition(margin > 0, "margin M = \(margin) must be positive")
    self.margin = margin
  }

  /// - Parameters:
  ///   - a: Anchors, N×C, rows of length 1.
  ///   - p: The positive of each, N×C, rows of length 1.
  ///   - n: The negative of each, N×C, rows of length 1.
  /// - Returns: The loss of each triplet, N.
  public func terms(_ a: Tensor, _ p: Tensor, _ n: Tensor) -> Tensor {
    relu((a * n).sum(dim: 1) - (a * p).sum(dim: 1) + margin)
  }
}

extension Exemplar {
  public static let kind = MethodKind(
    name: "exemplar", keys: [\.mocoDim, \.mlp, \.tripletMargin], head: Head.ofKey,
    make: { config, context in make(config, encoder: context.encoder()) },
    expectedLoss: { config, _ in ExpectedLoss(chance: config.tripletMargin, formula: "the margin") },
    summary: { config, _ in "margin \(config.tripletMargin)" }, answer: .positiveKey,
    shortcutCause: {
      MoCoV3.sharedBatchCause($1, $0, remedy: "a larger --triplet-margin (now \($0.tripletMargin))")
    }, passes: { _ in 1 })

  static func make(_ config: RunConfig, encoder: ImageEncoder) -> Exemplar {
    Exemplar(loss: TripletLoss(margin: config.tripletMargin), encoder: encoder)
  }
}
