extension RunConfig {
  /// Whether a key has an effect on what one process trains, with the method, the network and the schedule that are
  /// chosen. Keys that change no result in any case are not asked.
  package func uses(_ key: CodingKeys) -> Bool {
    switch key {
    case .mechanism: method == .moco
    case .bank: method == .instDisc || method == .moco && mechanism == .memoryBank
    case .stem: !arch.isTransformer
    case .heads, .stopGradConv1: arch.isTransformer
    case .mocoDim: method != .rotation
    case .mocoK: method == .instDisc || method == .moco && mechanism != .endToEnd
    case .mocoMlpDim: [.mocoV3, .byol, .simSiam].contains(method)
    case .mocoM, .mocoMCos: hasKeyEncoder
    case .mocoT: [.moco, .mocoV3, .simCLR, .instDisc].contains(method)
    case .mlp: ![.mocoV3, .byol, .simSiam, .rotation].contains(method)
    case .bnSplits: method == .moco && arch.hasBatchNorm
    case .shuffleBN: method == .moco && mechanism != .memoryBank && arch.hasBatchNorm && bnSplits > 1
    case .syncBN: false  // over ranks
    case .symmetric: method == .moco && mechanism == .queue
    case .momentum: optimizer != .adamw
    case .warmupEpochs: schedule == .cosine
    default: true
    }
  }

  /// What is set and has an effect, as YAML writes it.
  package var usedValues: [CodingKeys: String] {
    get throws { try values.filter { uses($0.key) } }
  }
}
