import Files
import Methods

/// The time, memory and traffic of a run, computed from its recipe and from measurements on one device.
///
/// The step's time is estimated from the measured one: updates take the same for any number of images, all else
/// grows with their number. On CPUs each rank has the threads of the measurement; where the ranks of a machine
/// have more threads than it has cores, they share them without loss. Loading images takes cores from the step.
/// A GPU belongs to one rank, and loading is hidden behind the step as long as there are enough cores. Nothing
/// of the network's time is hidden, and between ranks of one machine it takes none.
package struct RunPlan: Sendable {
  package let config: RunConfig
  /// The number of images of the data set.
  package let images: Int
  package let footprint: Footprint
  package let step: StepMeasure
  /// Nil if loading was not measured.
  package let loader: LoaderMeasure?
  package let ranksPerMachine: Int
  package let network: NetworkSpeed

  package init(
    _ config: RunConfig, images: Int, footprint: Footprint, step: StepMeasure, loader: LoaderMeasure?,
    ranksPerMachine: Int, network: NetworkSpeed
  ) {
    (self.config, self.images, self.footprint) = (config, images, footprint)
    (self.step, self.loader) = (step, loader)
    (self.ranksPerMachine, self.network) = (ranksPerMachine, network)
  }

  package struct Item: Codable, Sendable, Equatable {
    package var name: String
    package var bytes: Double
  }

  /// The estimate for a number of ranks.
  package struct Estimate: Codable, Sendable {
    package var ranks: Int
    package var machines: Int
    package var imagesPerRank: Int
    /// Seconds of a step in which the device computes, the network transfers, and cores load images.
    package var compute: Double
    package var network: Double
    package var loading: Double?
    package var secondsPerStep: Double
    package var imagesPerSecond: Double
    package var secondsOfRun: Double
    package var bottleneck: String
    /// The bytes of a rank's memory, by their use; nil if a step's were not measured.
    package var memory: [Item]?
    /// The bytes that a rank sends in a step, by their use.
    package var sent: [Item]
    /// The cores that a rank's loader needs so that the step does not wait.
    package var loaderCores: Double?
    /// The bytes of files that all ranks read in a second.
    package var readBytesPerSecond: Double?

    package var memoryBytes: Double? { memory.map { $0.reduce(0) { $0 + $1.bytes } } }
    package var sentBytes: Double { sent.reduce(0) { $0 + $1.bytes } }
  }

  private var isOnCPU: Bool { step.device == "cpu" }
  package var totalSteps: Int { config.totalSteps(images: images) }

  /// - Throws: ``UsageError`` if so many ranks cannot share the batch.
  package func estimate(ranks: Int) throws -> Estimate {
    try config.validate(ranks: ranks)
    let own = config.batchSize / ranks
    let sharing = min(ranks, ranksPerMachine)
    let machines = (ranks + sharing - 1) / sharing
    let sent = sent(ranks: ranks)
    let crowding = isOnCPU ? max(1, Double(sharing * step.threads) / Double(step.cores)) : 1
    let compute = step.seconds(images: Double(own)) * crowding
    let transfer = machines > 1 ? sent.reduce(0) { $0 + $1.bytes } / network.bytesPerSecond : 0
    let loading = loader.map { Double(sharing * own) / $0.full / Double(step.cores) }
    let seconds =
      isOnCPU ? compute + transfer + (loading ?? 0) : max(compute + transfer, loading ?? 0)
    let parts = [("compute", compute), ("network", transfer), ("loader", loading ?? 0)]
    return Estimate(
      ranks: ranks, machines: machines, imagesPerRank: own, compute: compute, network: transfer,
      loading: loading, secondsPerStep: seconds, imagesPerSecond: Double(config.batchSize) / seconds,
      secondsOfRun: seconds * Double(totalSteps), bottleneck: parts.max { $0.1 < $1.1 }?.0 ?? "compute",
      memory: memory(ranks: ranks), sent: sent,
      loaderCores: loader.map { Double(own) / (compute + transfer) / $0.full },
      readBytesPerSecond: loader?.bytesPerImage.map { $0 * Double(config.batchSize) / seconds })
  }

  // MARK: - Memory

  private func memory(ranks: Int) -> [Item]? {
    guard let program = step.programBytes, let perImage = step.bytesPerImage else { return nil }
    let pass = config.batchSize / ranks / config.accumulate
    var items = [
      Item(name: "program and LibTorch", bytes: Double(program)),
      Item(name: "weights", bytes: Double(footprint.weights)),
      Item(name: "gradients", bytes: Double(footprint.weights)),
      Item(name: "optimizer", bytes: Double(footprint.optimizer)),
      Item(name: "key encoder", bytes: Double(footprint.keyEncoder)),
      Item(name: "queue or bank", bytes: Double(footprint.dictionary)),
      Item(name: "statistics, fixed weights", bytes: Double(footprint.others)),
      Item(name: "views and activations", bytes: perImage * Double(pass)),
    ]
    if ranks > 1, let images = exchanges.first(where: { $0.isImages }) {
      // All ranks' images of one pass, and this rank's share of them in the shuffled order.
      let view = Double(images.bytesPerImage / config.kind.passes(config))
      items.append(Item(name: "gathered images", bytes: view * Double(pass * (ranks + 1))))
    }
    return items.filter { $0.bytes > 0 }
  }

  // MARK: - Network

  private var exchanges: [MethodKind.Exchange] {
    config.kind.exchanges(config, 4 * 3 * config.imageSize * config.imageSize)
  }

  /// In a ring of R ranks, each sends n bytes of its own R − 1 times until all have them, and 2(R − 1)/R · n bytes
  /// until n bytes are added up over the ranks (Patarasuk and Yuan 2009): so Gloo and NCCL do it.
  private func sent(ranks: Int) -> [Item] {
    guard ranks > 1 else { return [] }
    let others = Double(ranks - 1)
    func gathered(_ bytes: Double) -> Double { others * bytes }
    func summed(_ bytes: Double) -> Double { 2 * others / Double(ranks) * bytes }
    let own = config.batchSize / ranks
    var items = [Item(name: "gradients", bytes: summed(Double(footprint.weights)))]
    for exchange in exchanges {
      let bytes = Double(own * exchange.bytesPerImage)
      items.append(Item(name: exchange.name, bytes: gathered(bytes)))
      guard exchange.hasGradient else { continue }
      items.append(
        Item(name: "gradients of \(exchange.name)", bytes: summed(bytes * Double(ranks))))
    }
    if config.syncBN {
      // Mean and squares of each channel in every pass; for the trained networks two sums on the way back.
      let passes = Double(config.accumulate * config.kind.passes(config))
      let (trained, keys) = (Double(8 * footprint.normalizedChannels), Double(8 * footprint.keyChannels))
      items.append(
        Item(
          name: "statistics (SyncBN)", bytes: passes * (gathered(trained + keys) + summed(trained))))
    }
    items.append(Item(name: "loss and signal", bytes: gathered(16)))
    return items
  }
}
