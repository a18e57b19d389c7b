import Models
import Torch

/// Relative position: "Unsupervised Visual Representation Learning by Context Prediction" (Doersch, Gupta,
/// Efros 2015, section 3). For two patches of an image the network predicts the position of the second: one
/// of eight around the first.
public final class RelativePosition: Module, Method {
  /// Behind the embeddings of two patches side by side, 2·C: the position (figure 3, fc7 to fc9).
  public static let classifier = Head.mlp(outputs: 8)

  /// A patch without its colours, which chromatic aberration would shift from one place in a photo to another.
  public enum Colors: Sendable, Equatable {
    /// One of the three, drawn for each patch; the paper replaces the two others with faint noise, this code with zeros.
    case one
    /// L of Lab three times, the input of ``Colorization`` ("harmonised").
    case lightness(Normalization)
  }

  /// The encoder; its head makes the embedding of a patch (fc6).
  public let encoderQ: ImageEncoder
  public let predictor: Module
  private let colors: Colors
  private let seed: UInt64
  private let rank: Rank

  /// - Parameters:
  ///   - predictor: The layers of ``classifier``, on the encoder's device.
  ///   - colors: What patches have for colours.
  ///   - seed: For the patches.
  ///   - rank: This process's rank; each rank draws its own.
  ///   - encoder: A residual network with initial weights.
  public init(
    predictor: Module, colors: Colors = .one, seed: UInt64, rank: Rank = .only, encoder: ImageEncoder
  ) {
    self.predictor = predictor
    self.colors = colors
    self.seed = seed
    self.rank = rank
    encoderQ = encoder
  }

  /// Each view gives a pair.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x = batch.concatenated  // 2N×3×H×W
    let images = x.shape.first ?? 0
    let pairs = draw(images, side: x.shape.last ?? 0, batch)
    let patches = extractPatches(x, at: pairs.corners, side: pairs.side)  // 2N·2×3×S×S
    let gray = withoutColors(patches, pairs.channels)  // 2N·2×3×S×S
    let z = relu(encoderQ(gray)).reshaped([images, 2, -1])  // 2N×2×C
    let logits = predictor(z.reshaped([images, -1]))  // 2N×8
    let targets = Tensor(pairs.places, on: x.device)  // 2N
    let first = l2Normalized(z.detached().selected(0, dim: 1))  // 2N×C
    return StepOutput(
      loss: crossEntropy(logits, targets), logits: logits, targets: targets,
      features: halves(first))
  }

  private func withoutColors(_ patches: Tensor, _ channels: [Int]) -> Tensor {
    switch colors {
    case .one:
      let kept = channels.flatMap { c in (0..<3).map { Float(c == $0 ? 1 : 0) } }
      return patches * Tensor(kept, shape: [channels.count, 3, 1, 1], on: patches.device).to(patches.dtype)
    case .lightness(let normalization): return normalization.lightness(normalization.lab(of: patches))
    }
  }

  private struct Pairs {
    var side: Int
    var corners: [[Corner]] = []
    var places: [Int] = []
    /// The one colour of each patch, if it keeps one.
    var channels: [Int] = []
  }

  /// Patches of 96 pixels are 48 apart, and each is moved by up to 7 in both directions (section 3.1: "we
  /// include a gap between patches" and "randomly jitter each patch location"); here with the same
  /// proportions, so that a 3×3 grid of them fits.
  private func draw(_ images: Int, side: Int, _ batch: ViewBatch) -> Pairs {
    var generator = CounterGenerator(seed: seed, .pretext, batch.step, batch.part, rank.number)
    let patch = max(1, side * 96 / (3 * 96 + 2 * 48 + 2 * 7))
    let (pitch, jitter) = (patch + patch / 2, max(1, patch * 7 / 96))
    let room = side - (2 * pitch + patch + 2 * jitter)  // for the whole grid
    precondition(images == 0 || room >= 0, "an image of \(side) pixels is too small for nine patches")
    var pairs = Pairs(side: patch)
    for _ in 0..<images {
      let (top, left) = (generator.index(below: room + 1), generator.index(below: room + 1))
      func corner(_ place: Int) -> Corner {
        let y = top + place / 3 * pitch + generator.index(below: 2 * jitter + 1)
        return Corner(y: y, x: left + place % 3 * pitch + generator.index(below: 2 * jitter + 1))
      }
      let place = generator.index(below: 8)
      pairs.corners.append([corner(4), corner(place < 4 ? place : place + 1)])  // 4 is the middle
      pairs.places.append(place)
      pairs.channels += [generator.index(below: 3), generator.index(below: 3)]
    }
    return pairs
  }
}

extension RelativePosition {
  public static let kind = MethodKind(
    name: "relative-position", keys: [\.mocoDim, \.mlp, \.harmonize], head: Head.ofKey,
    make: { config, context in make(config, context) { context.encoder() } },
    expectedLoss: { _, _ in ExpectedLoss(chance: chanceLoss, formula: "log(8)") },
    answer: .task, collapseCause: Rotation.unanswerable, shortcutCause: { _, _ in Rotation.lateLayers },
    cutsImages: true, trainsOnSphere: false, passes: { _ in 1 })

  static let chanceLoss = InfoNCE.chanceLoss(negatives: 7)

  static func make(_ config: RunConfig, _ context: MethodContext, encoder: () -> ImageEncoder)
    -> RelativePosition
  {
    let predictor = context.layers(classifier, inputs: 2 * config.mocoDim)
    return RelativePosition(
      predictor: predictor, colors: config.harmonize ? .lightness(context.normalization) : .one,
      seed: context.seed, rank: context.ranks.rank, encoder: encoder())
  }
}
