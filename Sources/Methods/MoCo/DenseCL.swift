import Models
import Torch

/// DenseCL: "Dense Contrastive Learning for Self-Supervised Visual Pre-Training" (Wang, Zhang, Shen, Kong, Li 2021).
/// MoCo v2 with a second contrast beside that of whole images: between the cells of the backbone's last map.
///
/// A dense head gives every cell a vector. The positive key of a query's cell is that cell of the other view whose
/// features in the backbone are most similar; the negatives are a second queue, which has one vector for each image.
/// With the share λ the loss is (1 − λ)·global + λ·dense.
///
/// The published code can pool the head's map to fewer cells (`num_grid`). Its configurations do not, and matches of the
/// backbone's cells would not fit: that is left out.
public final class DenseCL: Module, Method {
  public struct Settings: Sendable, Equatable {
    /// *τ* of both contrasts.
    public var temperature: Double
    /// *λ*, 0 … 1.
    public var denseShare: Double
    /// The steps in which λ is 0; from then on it is ``denseShare``.
    public var denseWarmup: Int
    /// The number of batch normalisation groups of the batch, or of this rank's rows; 1 is plain
    /// normalisation.
    public var bnGroups: Int
    /// Whether keys are encoded in a different order than queries (ShuffleBN); useless if batch normalisation
    /// is over all ranks' batches.
    public var shuffles: Bool

    public init(
      temperature: Double, denseShare: Double = 0.5, denseWarmup: Int = 0, bnGroups: Int = 1,
      shuffles: Bool = true
    ) {
      precondition((0...1).contains(denseShare), "a share λ = \(denseShare) outside 0 … 1")
      (self.temperature, self.denseShare, self.denseWarmup) = (temperature, denseShare, denseWarmup)
      (self.bnGroups, self.shuffles) = (bnGroups, shuffles)
    }

    /// λ in a step, counted from 0.
    func share(at step: Int) -> Double { step < denseWarmup ? 0 : denseShare }
  }

  /// f_q with the head of whole images: it is trained, and kept in the end.
  public let encoderQ: ImageEncoder
  /// f_q's head of cells.
  public let denseHeadQ: Module
  /// f_k
  public let encoderK: MomentumEncoder
  public let denseHeadK: Module
  /// Keys of whole images, K×C.
  public let queue: KeyQueue
  /// Means of the images' cells, K×C.
  public let denseQueue: KeyQueue
  public let settings: Settings
  /// The processes that train together; each has its rows of the batch.
  public let ranks: ProcessGroup
  private let denseAverage: MovingAverage
  private let loss: InfoNCE
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: The method's settings.
  ///   - queue: The initial keys of whole images, K×C.
  ///   - denseQueue: The initial keys of cells, K×C.
  ///   - seed: For the key shuffles.
  ///   - ranks: The processes that train together.
  ///   - denseHead: Makes a head of cells with initial weights, N×D×h×w → N×C×h×w; called for f_q and f_k.
  ///   - encoder: Makes a residual network with initial weights; called for f_q and f_k.
  public init(
    _ settings: Settings, queue: KeyQueue, denseQueue: KeyQueue, seed: UInt64, ranks: ProcessGroup = .alone,
    denseHead: () -> Module, encoder: () -> ImageEncoder
  ) {
    precondition(
      queue.keys.shape == denseQueue.keys.shape,
      "queues of \(queue.keys.shape) and \(denseQueue.keys.shape) numbers")
    self.settings = settings
    (self.queue, self.denseQueue) = (queue, denseQueue)
    self.seed = seed
    self.ranks = ranks
    encoderQ = encoder()
    denseHeadQ = denseHead()
    encoderK = MomentumEncoder(of: encoderQ, copy: encoder())
    denseHeadK = denseHead()
    denseAverage = MovingAverage(of: denseHeadQ, in: denseHeadK)
    loss = InfoNCE(temperature: settings.temperature)
  }

  /// λ is a number in the step's operations, and must not change.
  public var isCapturable: Bool { settings.denseWarmup == 0 }

  /// θ_k ← m·θ_k + (1 − m)·θ_q, of backbone and both heads. The queries of a step do not depend on it.
  public func beforeForward(momentum m: Double) {
    encoderK.update(momentum: m)
    denseAverage.update(momentum: m)
  }

  public func forward(_ batch: ViewBatch) -> StepOutput { output(of: contrast(batch), batch) }

  /// The step's results. Its keys are those of an image and of its cells beside each other, W·N×2C.
  func output(of found: Contrast, _ batch: ViewBatch) -> StepOutput {
    let share = settings.share(at: batch.step)
    return StepOutput(
      loss: found.globalLoss * (1 - share) + found.denseLoss * share, logits: found.logits,
      features: (found.query.image.detached(), found.key.image),
      keys: ranks.inBatchOrder(found.newKeys, dealt: batch.dealing))
  }

  /// Enqueues the keys after the backward pass.
  public func afterStep(_ parts: [StepOutput]) {
    for part in parts { part.keys.map(enqueue) }
  }

  /// No query is beside them, so that nothing needs to be shuffled.
  public func enqueueKeys(of batch: ViewBatch) {
    let keys = ranks.allGather(keys(batch.views[1]).ofImages)  // W·N×2C
    enqueue(ranks.inBatchOrder(keys, dealt: batch.dealing))
  }

  public func shuffles(for batch: ViewBatch) -> [KeyShuffle] {
    guard settings.shuffles, settings.bnGroups > 1 || ranks.rank.count > 1 else { return [] }
    return KeyShuffle.drawn(for: batch, seed: seed, ranks: ranks)
  }

  /// - Parameter keys: M×2C, the keys of an image and of its cells beside each other.
  private func enqueue(_ keys: Tensor) {
    let size = queue.keys.shape[1]
    queue.enqueue(keys.narrowed(0..<size, dim: 1))
    denseQueue.enqueue(keys.narrowed(size..<2 * size, dim: 1))
  }
}

// MARK: - The two contrasts

extension DenseCL {
  /// A view of N images with S cells each. All vectors have length 1.
  struct Encoding {
    /// Of the whole image, N×C.
    var image: Tensor
    /// The mean of the image's cells, taken before they get length 1: N×C.
    var cellMean: Tensor
    /// Of every cell, N×S×C.
    var cells: Tensor
    /// The backbone's features of every cell, without a graph: N×S×D.
    var map: Tensor

    /// The keys of an image and of its cells beside each other, N×2C.
    var ofImages: Tensor { .concatenated([image, cellMean], dim: 1) }
    /// Keys and features of the cells beside each other, N×S×(C+D).
    var ofCells: Tensor { .concatenated([cells, map], dim: 2) }
  }

  /// The two contrasts of a step. N is the number of this rank's images, W·N of all ranks'.
  struct Contrast {
    let query, key: Encoding
    /// The key cell that goes with each query cell: N×S int64.
    let matches: Tensor
    let globalLoss, denseLoss: Tensor
    /// Of whole images, N×(1+K).
    let logits: Tensor
    /// ``Encoding/ofImages`` of all ranks, in the order of their images: W·N×2C.
    let newKeys: Tensor
  }

  func contrast(_ batch: ViewBatch) -> Contrast {
    let x1 = batch.views[0], x2 = batch.views[1]  // N×3×H×W
    let shuffle = batch.shuffles.first
    let mixed = keys(shuffle?.mixed(x2, over: ranks) ?? x2)
    // Keys are sent to the other ranks while the queries are encoded. Without a shuffle cells are where they belong.
    let sentImages = ranks.allGatherAsync(mixed.ofImages)
    let sentCells = shuffle.map { _ in ranks.allGatherAsync(mixed.ofCells) }
    let query = encode(x1, encoderQ, denseHeadQ)
    let images = sentImages(), cells = sentCells?()  // W·N×2C, W·N×S×(C+D)

    var key = mixed
    let newKeys = shuffle?.restored(images) ?? images  // W·N×2C
    let size = queue.keys.shape[1]
    let own = ranks.localShard(newKeys)  // N×2C
    (key.image, key.cellMean) = (own.narrowed(0..<size, dim: 1), own.narrowed(size..<2 * size, dim: 1))
    if let shuffle, let cells {
      let own = shuffle.unmixed(cells, over: ranks)  // N×S×(C+D)
      let all = own.shape.last ?? size
      (key.cells, key.map) = (own.narrowed(0..<size, dim: 2), own.narrowed(size..<all, dim: 2))
    }

    let (globalLoss, logits) = loss(query.image, key.image, negatives: queue.keys)
    let matches = DenseCL.matches(query.map, key.map)  // N×S
    let index = matches.reshaped(matches.shape + [1]).expanded(query.cells.shape)  // N×S×C
    let positives = key.cells.gathered(index, dim: 1)  // N×S×C
    let (rows, keyRows) = (query.cells.reshaped([-1, size]), positives.reshaped([-1, size]))  // N·S×C each
    let (denseLoss, _) = loss(rows, keyRows, negatives: denseQueue.keys)  // scalar
    return Contrast(
      query: query, key: key, matches: matches, globalLoss: globalLoss, denseLoss: denseLoss, logits: logits,
      newKeys: newKeys)
  }

  /// For each query cell the key cell with the largest cosine of the backbone's features; the first of equal ones.
  /// - Parameters:
  ///   - query: N×S×D, rows of length 1.
  ///   - key: The same of the other view.
  /// - Returns: N×S int64.
  static func matches(_ query: Tensor, _ key: Tensor) -> Tensor {
    withNoGrad { similarities(query, key).argMax(dim: 2) }
  }

  private func keys(_ x: Tensor) -> Encoding {
    withNoGrad { encode(x, encoderK.encoder, denseHeadK) }
  }

  private func encode(_ x: Tensor, _ encoder: ImageEncoder, _ denseHead: Module) -> Encoding {
    let map = encoder.backbone.featureMaps(x)[encoder.backbone.stageCount - 1]  // N×D×h×w
    let dense = denseHead(map)  // N×C×h×w
    return Encoding(
      image: l2Normalized(encoder.project(globalAveragePool2d(map))),  // N×C
      cellMean: l2Normalized(globalAveragePool2d(dense)),  // N×C
      cells: l2Normalized(cells(of: dense), dim: 2),  // N×S×C
      map: l2Normalized(cells(of: map.detached()), dim: 2))  // N×S×D
  }
}

// MARK: - Initial weights

extension DenseCL {
  /// The head of cells: 1×1 convolution, ReLU, 1×1 convolution. Weights and biases are drawn from U(±1/√inputs),
  /// PyTorch's own start of a convolution.
  public static func denseHead(inputs: Int, hidden: Int, outputs: Int, using generator: Generator) -> Module {
    func convolution(_ inputs: Int, _ outputs: Int) -> Conv2d {
      let bound = 1 / Double(inputs).squareRoot()
      func drawn(_ shape: [Int]) -> Parameter {
        Parameter(.uniform(shape, low: -bound, high: bound, using: generator))
      }
      return Conv2d(weight: drawn([outputs, inputs, 1, 1]), bias: drawn([outputs]))
    }
    return Sequential(convolution(inputs, hidden), ReLU(), convolution(hidden, outputs))
  }

  /// Draws the weights of backbone and linear layers from N(0, 2 / fan-in), as the published code does; the linear
  /// layers' biases become 0.
  static func initialize(_ encoder: ImageEncoder, using generator: Generator) {
    withNoGrad {
      for (name, tensor) in encoder.namedParameters.map({ ($0.name, $0.tensor) }) {
        let shape = tensor.shape
        if shape.count > 1 {
          let fanIn = Double(shape.dropFirst().reduce(1, *))
          tensor.copy(from: .normal(shape, deviation: (2 / fanIn).squareRoot(), using: generator))
        } else if name.hasSuffix("bias") {
          tensor.fill(0)
        }
      }
    }
  }
}

extension DenseCL {
  public static let kind = MethodKind(
    name: "densecl", hasQueue: true,
    keys: [
      \.mocoDim, \.mocoK, \.mocoM, \.mocoMCos, \.mocoT, \.bnSplits, \.bnSplitsPer, \.shuffleBN,
      \.denseLambda, \.denseWarmup,
    ],
    head: { .mlp(outputs: $0.mocoDim) },
    make: { config, context in
      func queue() -> KeyQueue {
        KeyQueue(
          capacity: config.mocoK, dimension: config.mocoDim, on: context.device, using: context.generator)
      }
      let settings = Settings(
        temperature: config.mocoT, denseShare: config.denseLambda, denseWarmup: config.denseWarmup,
        bnGroups: config.bnSplits, shuffles: config.shuffleBN && !config.syncBN)
      return DenseCL(
        settings, queue: queue(), denseQueue: queue(), seed: context.seed, ranks: context.ranks,
        denseHead: {
          let features = config.arch.featureSize
          let head = denseHead(
            inputs: features, hidden: features, outputs: config.mocoDim, using: context.generator)
          head.move(to: context.device)
          return head
        },
        encoder: {
          let encoder = context.encoder()
          initialize(encoder, using: context.generator)
          return encoder
        })
    },
    expectedLoss: { MoCo.kind.expectedLoss($0, $1) },
    summary: { config, facts in
      let side = mapSide(config, ofImages: facts.imageSize)
      return
        "K \(config.mocoK), m \(config.mocoM), τ \(config.mocoT), λ \(config.denseLambda), \(side)×\(side) cells"
    },
    answer: .positiveKey, shortcutCause: MoCo.batchNormCause,
    warnings: { config, facts in
      var found = MoCo.kind.warnings(config, facts)
      if mapSide(config, ofImages: facts.imageSize) == 1 {
        found.append(
          "--image-size \(facts.imageSize): the last map of \(config.arch.rawValue) has one cell then, and none is matched "
            + "with another. Use larger images.")
      }
      return found
    }, cutsImages: true, passes: { _ in 1 },
    exchanges: { config, view in
      guard config.shuffleBN && !config.syncBN else { return [.keys(2 * config.mocoDim)] }
      let pixels = Double(view / (3 * MemoryLayout<Float>.size))
      let side = mapSide(config, ofImages: Int(pixels.squareRoot()))
      let cells = side * side * (config.mocoDim + config.arch.featureSize)
      return [.images(view), .keys(2 * config.mocoDim + cells)]
    })

  /// Cells along a side of a residual network's last map. Each layer that halves a map rounds up.
  /// - Parameter pixels: of an image's side.
  private static func mapSide(_ config: RunConfig, ofImages pixels: Int) -> Int {
    let stem = (config.stem ?? config.arch.defaultStem) == .imageNet ? 4 : 1
    let stride = stem << max(0, config.arch.depths.count - 1)
    return (pixels + stride - 1) / stride
  }
}
