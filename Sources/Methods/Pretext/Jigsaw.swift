import Models
import Torch

/// Jigsaw: "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles" (Noroozi, Favaro 2016,
/// section 3). Nine tiles of an image are shuffled by one of a fixed set of permutations; the context-free
/// network, which sees each tile separately up to its last layers, predicts the permutation.
public final class Jigsaw: Module, Method {
  /// 72 orders of nine tiles; any two of them have at most one tile at the same position.
  ///
  /// The paper selects up to 1000 distant permutations by a greedy search (algorithm 1). These are the maps x
  /// ↦ a·x + b, a ≠ 0, of the field of nine elements: two different ones agree in at most one x. At a Hamming
  /// distance of 8 there can be no more than 9·8.
  public static let permutations: [[Int]] = (1..<9).flatMap { a in
    (0..<9).map { b in (0..<9).map { sum(product(a, $0), b) } }
  }

  // The field: u·i + v, i² = −1, u and v modulo 3, is number 3u + v.
  private static func sum(_ a: Int, _ b: Int) -> Int { (a / 3 + b / 3) % 3 * 3 + (a + b) % 3 }
  private static func product(_ a: Int, _ b: Int) -> Int {
    let (u, v, s, t) = (a / 3, a % 3, b / 3, b % 3)
    return (u * t + v * s) % 3 * 3 + (v * t + 2 * u * s) % 3
  }

  /// Behind the embeddings of nine tiles side by side, 9·C: the permutation (figure 3, fc7 and fc8).
  public static let classifier = Head.mlp(outputs: permutations.count)

  /// The encoder; its head makes the embedding of a tile (fc6).
  public let encoderQ: ImageEncoder
  public let predictor: Module
  private let seed: UInt64
  private let rank: Rank

  /// - Parameters:
  ///   - predictor: The layers of ``classifier``, on the encoder's device.
  ///   - seed: For the puzzles.
  ///   - rank: This process's rank; each rank draws its own.
  ///   - encoder: A residual network with initial weights.
  public init(predictor: Module, seed: UInt64, rank: Rank = .only, encoder: ImageEncoder) {
    self.predictor = predictor
    self.seed = seed
    self.rank = rank
    encoderQ = encoder
  }

  /// Each view is a puzzle.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let x = batch.concatenated  // 2N×3×H×W
    let images = x.shape.first ?? 0
    let puzzles = draw(images, side: x.shape.last ?? 0, batch)
    let tiles = standardized(extractPatches(x, at: puzzles.corners, side: puzzles.side))  // 2N·9×3×S×S
    let z = relu(encoderQ(tiles)).reshaped([images, 9, -1])  // 2N×9×C
    let logits = predictor(z.reshaped([images, -1]))  // 2N×72
    let targets = Tensor(puzzles.permutations, on: x.device)  // 2N
    let embedding = l2Normalized(z.detached().mean(dim: 1))  // 2N×C
    return StepOutput(
      loss: crossEntropy(logits, targets), logits: logits, targets: targets,
      features: halves(embedding))
  }

  /// In each cell of a 3×3 grid a tile of 64/75 of the cell's side has a random position, so that edges do
  /// not continue from tile to tile ("Preventing shortcuts"; 64 of 75 pixels).
  private func draw(_ images: Int, side: Int, _ batch: ViewBatch) -> (
    side: Int, corners: [[Corner]], permutations: [Int]
  ) {
    var generator = CounterGenerator(seed: seed, .pretext, batch.step, batch.part, rank.number)
    let cell = side / 3
    let tile = max(1, cell * 64 / 75)
    var corners: [[Corner]] = []
    var numbers: [Int] = []
    for _ in 0..<images {
      let cells = (0..<9).map { place in
        let y = place / 3 * cell + generator.index(below: cell - tile + 1)
        return Corner(y: y, x: place % 3 * cell + generator.index(below: cell - tile + 1))
      }
      numbers.append(generator.index(below: Jigsaw.permutations.count))
      corners.append(Jigsaw.permutations[numbers[numbers.count - 1]].map { cells[$0] })
    }
    return (tile, corners, numbers)
  }

  /// Normalises each tile to mean 0 and deviation 1, because brightness would reveal neighbours ("Preventing
  /// shortcuts").
  private func standardized(_ tiles: Tensor) -> Tensor {
    let centred = tiles - tiles.mean(dims: [2, 3], keepDim: true)
    return centred / (centred.pow(2).mean(dims: [2, 3], keepDim: true) + 1e-5).sqrt()
  }
}

extension Jigsaw {
  public static let kind = MethodKind(
    name: "jigsaw", keys: [\.mocoDim, \.mlp], head: Head.ofKey,
    make: { config, context in
      let predictor = context.layers(classifier, inputs: 9 * config.mocoDim)
      return Jigsaw(
        predictor: predictor, seed: context.seed, rank: context.ranks.rank, encoder: context.encoder())
    },
    expectedLoss: { _, _ in
      ExpectedLoss(chance: InfoNCE.chanceLoss(negatives: permutations.count - 1), formula: "log(72)")
    },
    answer: .task, collapseCause: Rotation.unanswerable, shortcutCause: { _, _ in Rotation.lateLayers },
    cutsImages: true, trainsOnSphere: false, passes: { _ in 1 })
}
