import Models
import Torch

/// Local aggregation: "Local Aggregation for Unsupervised Learning of Visual Embeddings" (Zhuang, Zhai, Yamins 2019).
/// An image moves toward those of its neighbours that also share its cluster, and away from the others.
///
/// With vᵢ the row of image i in a memory bank, P(i|v) ∝ exp(vᵢ·v/τ). The background B of an image are the *k* rows
/// with the largest vᵢ·v, its close neighbours C the rows that share its cluster in any of *H* k-means clusterings of
/// the bank. The loss is −log P(C∩B|v)/P(B|v). The clusters are renewed before each epoch. Before there are any, the
/// method is InstDisc: for ``Settings/warmupEpochs``, and for an epoch where a run goes on with another bank.
///
/// Memory for an image of the data set: 4·C bytes of its row and 8·H of its clusters. For an image of the batch: some
/// numbers for each of the k rows of its background, and nothing that grows with n: the search reads the bank in pieces
/// (``nearestRows(to:in:count:)``). It takes n·C multiplications an image, and a clustering at most 21·n·m·C
/// (``KMeans``). Ranks share the H clusterings, and meet after every piece of one.
public final class LocalAggregation: Module, Method {
  public struct Settings: Sendable, Equatable {
    /// *k*; 4096 in the published code. The same number of noise rows is drawn for an image in the warm-up.
    public var background: Int
    /// *m*; in the published code n/43 with a ResNet.
    public var clusters: Int
    /// *H*; 10 in the published code with a ResNet.
    public var clusterings: Int
    public var warmupEpochs: Int
    /// *τ*
    public var temperature: Double
    /// The Z of the warm-up.
    public var partition: NoiseContrast.Partition
    public var kMeans: KMeans

    public init(
      background: Int, clusters: Int, clusterings: Int = 10, warmupEpochs: Int = 10,
      temperature: Double = 0.07, partition: NoiseContrast.Partition = .step, kMeans: KMeans = KMeans()
    ) {
      precondition(temperature > 0, "temperature τ = \(temperature) must be positive")
      precondition(clusterings > 0, "\(clusterings) clusterings")
      (self.background, self.clusters, self.clusterings) = (background, clusters, clusterings)
      (self.warmupEpochs, self.temperature) = (warmupEpochs, temperature)
      (self.partition, self.kMeans) = (partition, kMeans)
    }
  }

  /// The rows that an image is compared with.
  struct Neighbourhood {
    /// B: N×k rows of the bank, in rising order.
    let background: Tensor
    /// Whether a row of B is in C too: N×k.
    let isClose: Tensor
  }

  public let settings: Settings
  public let encoderQ: ImageEncoder
  public let bank: MemoryBank
  /// The cluster of each row in each clustering, H×n; −1 before the first, and −2 as long as the bank is new.
  public let clusters: Buffer
  public let ranks: ProcessGroup
  private let seed: UInt64

  /// - Parameters:
  ///   - settings: `background` and `clusters` are at most the number of images.
  ///   - bank: One row per image, the same on every rank.
  ///   - seed: For the draws of noise, and of the clusters' first centres.
  ///   - ranks: The processes that train together; each keeps the whole bank.
  ///   - encoder: The network with initial weights.
  public init(
    _ settings: Settings, bank: MemoryBank, seed: UInt64, ranks: ProcessGroup = .alone,
    encoder: ImageEncoder
  ) {
    for (name, count) in [("background", settings.background), ("clusters", settings.clusters)] {
      precondition((1...bank.count).contains(count), "\(name) = \(count) of \(bank.count) images")
    }
    self.settings = settings
    self.bank = bank
    clusters = Buffer(.full(-2, [settings.clusterings, bank.count], dtype: .int64, on: bank.rows.device))
    self.seed = seed
    self.ranks = ranks
    encoderQ = encoder
  }

  /// The clusters belong to the bank's rows: a run that goes on with other images leaves both behind.
  public override func stateName(of property: String) -> String? {
    property == "clusters" ? "bank.clusters" : super.stateName(of: property)
  }

  /// The second view is not used.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let v = l2Normalized(encoderQ(batch.views[0]))  // N×C
    let indices = bank.indices(batch.samples)  // N
    var output = hasClusters ? aggregate(v, indices) : discriminate(v, indices, batch)
    output.keys = ranks.allGather(v.detached())  // W·N×C
    output.indices = ranks.allGather(indices)  // W·N
    return output
  }

  /// Updates the rows of all ranks' images after the backward pass, with momentum ½ as in the published code.
  public func afterStep(_ parts: [StepOutput]) { bank.update(from: parts) }

  /// Renews the clusters once the warm-up is over. Without one, the first are those of the first bank; another new bank
  /// has an epoch of InstDisc before it.
  public func epochBegins(_ epoch: Int, isStopped: () -> Bool) -> Bool {
    let hasNewBank = firstLabel == -2
    if hasNewBank { withNoGrad { clusters.tensor.fill(-1) } }
    guard epoch >= settings.warmupEpochs, epoch == 0 || !hasNewBank else { return true }
    return renewClusters(epochs: epoch, isStopped)
  }
}

// MARK: - The loss

extension LocalAggregation {
  private func aggregate(_ v: Tensor, _ indices: Tensor) -> StepOutput {
    let near = neighbourhood(of: v, indices)
    let products = bank.products(v, at: near.background)  // N×k
    let share = closeShare(products, near)  // N
    let loss = -(share + 1e-7).log().mean()
    return output(loss, v, indices, compared: near.background, products.detached())
  }

  /// B and C of each image, from the bank before the step. Its own row is treated as any other.
  func neighbourhood(of v: Tensor, _ indices: Tensor) -> Neighbourhood {
    let background = bank.nearest(to: v, count: settings.background)  // N×k
    let rows = background.reshaped([-1])  // N·k
    var isClose = Tensor.full(0, background.shape, dtype: .bool, on: background.device)  // N×k
    for clustering in 0..<settings.clusterings {
      let labels = clusters.tensor.selected(clustering)  // n
      let own = labels.indexSelected(indices).reshaped([-1, 1])  // N×1
      isClose = isClose .| (labels.indexSelected(rows).reshaped(background.shape) .== own)
    }
    return Neighbourhood(background: background, isClose: isClose)
  }

  /// P(C∩B|v)/P(B|v) of each image, N; 0 without a gradient where C∩B is empty. Z cancels out.
  /// - Parameter products: vᵢ·v of the background, N×k.
  func closeShare(_ products: Tensor, _ near: Neighbourhood) -> Tensor {
    let p = softmax(products / settings.temperature, dim: 1)  // N×k: P(i|v)/P(B|v)
    return (p * near.isClose.to(p.device).to(p.dtype)).sum(dim: 1)
  }

  /// InstDisc by noise contrast, with noise of its own for each image (Wu et al. 2018, section 3.2).
  private func discriminate(_ v: Tensor, _ indices: Tensor, _ batch: ViewBatch) -> StepOutput {
    let drawn = bank.drawn(settings.background, for: batch.samples, seed: seed, step: batch.step)  // N×k
    let scaled = v / settings.temperature  // N×C
    let positive = bank.products(scaled, at: indices.reshaped([-1, 1]))  // N×1
    let noise = bank.products(scaled, at: drawn)  // N×k
    let contrast = NoiseContrast(settings.partition, images: bank.count, ranks: ranks)
    return output(
      contrast(positive, noise: noise), v, indices, compared: drawn,
      noise.detached() * settings.temperature)
  }

  /// With a score for the image's own row, and one for each other row that it is compared with.
  /// - Parameters:
  ///   - rows: N×k rows of the bank, the image's own perhaps among them.
  ///   - products: Their products with v, N×k.
  private func output(
    _ loss: Tensor, _ v: Tensor, _ indices: Tensor, compared rows: Tensor, _ products: Tensor
  ) -> StepOutput {
    let v = v.detached()
    let own = bank.rows(indices, on: v.device)  // N×C
    let positive = (v * own).sum(dim: 1, keepDim: true)  // N×1
    let itself = (rows .== indices.reshaped([-1, 1])).to(v.device)  // N×k
    let lowest = Tensor.full(-1, [], dtype: v.dtype, on: v.device)
    let others = Tensor.where(itself, lowest, products)  // N×k
    return StepOutput(
      loss: loss, logits: .concatenated([positive, others], dim: 1), features: (v, own))
  }
}

// MARK: - The clusters

extension LocalAggregation {
  /// Whether the warm-up is over. The saved state decides.
  var hasClusters: Bool { firstLabel >= 0 }

  private var firstLabel: Double { clusters.tensor.selected(0).selected(0).item() }

  /// Begins each clustering with m rows drawn for it.
  private func renewClusters(epochs: Int, _ isStopped: () -> Bool) -> Bool {
    let starts = (0..<settings.clusterings).map { clustering in
      var generator = CounterGenerator(seed: seed, .clustering, epochs, clustering)
      return Array(generator.permutation(bank.count).prefix(settings.clusters))
    }
    return renewClusters(startingFrom: starts, isStopped: isStopped)
  }

  /// Makes all clusters anew, each rank some of the clusterings.
  /// - Parameters:
  ///   - rows: H lists: the rows of the bank that are the first centres.
  ///   - isStopped: Whether to break off.
  /// - Returns: Whether all are made. If not, in every rank, the clusters are as before.
  @discardableResult
  func renewClusters(startingFrom rows: [[Int]], isStopped: () -> Bool = { false }) -> Bool {
    precondition(
      rows.count == settings.clusterings, "\(rows.count) starts of \(settings.clusterings) clusterings")
    return withNoGrad {
      guard let labels = try? clusterings(startingFrom: rows, isStopped) else { return false }
      let all = Tensor.stacked(labels)  // H×n
      ranks.allReduce(all)
      clusters.tensor.copy(from: all)
      return true
    }
  }

  /// The labels of this rank's clusterings, n each; zeros for those of other ranks. Returns when all ranks have theirs.
  private func clusterings(startingFrom rows: [[Int]], _ isStopped: () -> Bool) throws -> [Tensor] {
    let labels = try rows.enumerated().map { clustering, start in
      guard clustering % ranks.rank.count == ranks.rank.number else {
        return Tensor.zeros([bank.count], dtype: .int64, on: bank.rows.device)
      }
      let centres = bank.rows.indexSelected(bank.indices(start))  // m×C
      return try settings.kMeans(bank.rows, startingFrom: centres) {
        try meet(isAtWork: true, isStopped: isStopped())
      }.labels
    }
    while try meet(isAtWork: false, isStopped: isStopped()) {}
    return labels
  }

  /// Meets the other ranks after a piece of work: so none waits for a whole clustering of another one, which would take
  /// longer than the limit of a wait, and all break off at once.
  /// - Returns: Whether a rank is still at work.
  /// - Throws: `CancellationError` where a rank is stopped.
  @discardableResult
  private func meet(isAtWork: Bool, isStopped: Bool) throws -> Bool {
    let votes = Tensor([isAtWork ? 1 : 0, isStopped ? 1 : 0] as [Double])
    ranks.allReduce(votes)
    let counts = votes.array(of: Double.self)
    guard counts.count == 2 else { return false }  // after an error
    if counts[1] > 0 { throw CancellationError() }
    return counts[0] > 0
  }
}

// MARK: - Its kind

extension LocalAggregation {
  public static let kind = MethodKind(
    name: "local-agg",
    keys: [
      \.bank, \.mocoDim, \.mocoT, \.mlp, \.background, \.clusters, \.clusterings, \.sphericalClusters,
      \.instDiscEpochs, \.noisePartition,
    ],
    head: Head.ofKey,
    make: { config, context in
      let sizes = sizes(config, images: context.images)
      let settings = Settings(
        background: sizes.background, clusters: sizes.clusters, clusterings: config.clusterings,
        warmupEpochs: config.instDiscEpochs, temperature: config.mocoT, partition: config.noisePartition,
        kMeans: KMeans(isSpherical: config.sphericalClusters))
      let encoder = context.encoder()
      return LocalAggregation(
        settings, bank: context.bank(), seed: context.seed, ranks: context.ranks, encoder: encoder)
    },
    expectedLoss: { config, _ in
      let epochs = config.instDiscEpochs
      let warmup =
        epochs == 0
        ? ""
        : "for \(epochs) epoch\(epochs == 1 ? "" : "s") the loss is that of instance discrimination; then "
      return ExpectedLoss(
        course: warmup
          + "it is −log of the close neighbours' share in the background, which falls, and jumps where "
          + "clusters are renewed.")
    },
    summary: { config, facts in
      let sizes = sizes(config, images: facts.images)
      return
        "memory bank, background \(sizes.background), \(config.clusterings) × \(sizes.clusters) clusters, τ "
        + "\(config.mocoT), instance discrimination for \(config.instDiscEpochs) epochs"
    },
    answer: .positiveKey, shortcutCause: MemoryBankMoCo.memorising,
    warnings: { config, facts in
      let sizes = [("background", config.background), ("clusters", config.clusters)]
      let tooLarge = sizes.compactMap { name, value -> String? in
        guard let value, value > facts.images else { return nil }
        return
          "--\(name) \(value): there are only \(facts.images) images, so \(facts.images) are taken. Give fewer."
      }
      return tooLarge + (config.instDiscEpochs > 0 ? NoiseContrast.warnings(config) : [])
    },
    passes: { _ in 1 }, exchanges: { config, _ in MethodKind.Exchange.rows(config) })

  /// Unless given, the published numbers in proportion to the images, and at least 8; at most all images.
  private static func sizes(_ config: RunConfig, images: Int) -> (background: Int, clusters: Int) {
    (
      min(config.background ?? max(8, images / 300), images),
      min(config.clusters ?? max(8, images / 43), images)
    )
  }
}
