import Data
import Distributed
import Models
import Torch

// An evaluation shared among ranks.

extension EvaluationData {
  /// The same as ``features(of:layer:on:progress:)``, but each rank encodes its share of the images. All
  /// ranks get all rows, in the data set's order. If the data can only be read in sequence, every rank reads
  /// all of it.
  package func features(
    of encoder: ImageEncoder, layer: FeatureLayer = .pooled, over context: RankContext, on device: Device,
    progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws -> ImageFeatures {
    try shared(over: context) { try $0.features(of: encoder, layer: layer, on: device, progress: progress) }
  }

  /// The result of `encode` for all images; each rank encodes its share.
  func shared(over context: RankContext, _ encode: (EvaluationData) throws -> ImageFeatures) throws
    -> ImageFeatures
  {
    let count = dataset.count
    guard context.rank.count > 1, count >= context.rank.count, dataset.shards?.isRandomAccess != false else {
      return try unlessStopped(over: context) { try encode(self) }
    }
    let share = context.share(of: count)
    let own = try unlessStopped(over: context) { try encode(subset(share)) }
    let all = try own.allGathered(over: context, from: share.lowerBound)
    // The limit on bad images applies to the whole set, not to a share.
    var record = BadFileRecord(count: count, allowed: input.maxBad)
    try record.record(seen: count, bad: all.unreadable)
    guard !all.labels.isEmpty else { throw unreadable }
    return all
  }

  /// All ranks throw ``EvaluationStopped`` when one of them does: none waits for the others' rows.
  private func unlessStopped(over context: RankContext, _ encode: () throws -> ImageFeatures) throws
    -> ImageFeatures
  {
    let own: ImageFeatures?
    do { own = try encode() } catch is EvaluationStopped { own = nil }
    let isAnyStopped = try context.rows([own == nil ? 1 : 0]).contains { $0[0] == 1 }
    guard let own, !isAnyStopped else { throw EvaluationStopped() }
    return own
  }
}

extension ImageFeatures {
  /// All ranks' rows in the order of the ranks, in every rank.
  /// - Parameter first: The first image of this rank's share.
  func allGathered(over context: RankContext, from first: Int) throws -> ImageFeatures {
    // A rank without readable images does not have the features' width.
    let sizes = try context.rows([Double(labels.count), Double(features.shape[1])])
    let (counts, width) = (sizes.map { Int($0[0]) }, Int(sizes.map { $0[1] }.max() ?? 0))
    let most = counts.max() ?? 0
    func filled(_ numbers: [Int]) -> [Double] {
      numbers.map(Double.init) + [Double](repeating: 0, count: most - numbers.count)
    }
    let numbers = try context.rows(filled(samples.map { $0 + first }) + filled(labels))
    let bad = unreadable.map { BadFile(sample: $0.sample + first, name: $0.name, reason: $0.reason) }
    return ImageFeatures(
      features: try withTorchErrors { gatheredFeatures(over: context, counts: counts, width: width) },
      samples: zip(numbers, counts).flatMap { row, count in row.prefix(count).map { Int($0) } },
      labels: zip(numbers, counts).flatMap { row, count in row[most..<most + count].map { Int($0) } },
      unreadable: try context.allGather(bad).flatMap(\.self))
  }

  /// Each rank in turn sends its rows to the others, directly into the result.
  private func gatheredFeatures(over context: RankContext, counts: [Int], width: Int) -> Tensor {
    let all = Tensor.zeros([counts.reduce(0, +), width], dtype: features.dtype)
    var start = 0
    for (rank, count) in counts.enumerated() where count > 0 {
      let part = all.narrowed(start..<start + count)
      if rank == context.rank.number { part.copy(from: features) }
      context.group.broadcast(part, from: rank)
      start += count
    }
    return all.to(features.device)
  }

  /// A range of the rows.
  func rows(_ range: Range<Int>) throws -> ImageFeatures {
    ImageFeatures(
      features: try withTorchErrors { features.narrowed(range) }, samples: Array(samples[range]),
      labels: Array(labels[range]), unreadable: [])
  }
}

extension RankContext {
  /// This rank's share of `count` consecutive items; together the shares are the whole.
  func share(of count: Int) -> Range<Int> { rank.share(of: count) }

  /// The accuracies over all ranks' queries; the predictions are those of this rank's queries.
  /// - Parameter count: The number of this rank's queries.
  func mean(_ results: [WeightedKNN.Result], of count: Int) throws -> [WeightedKNN.Result] {
    guard rank.count > 1 else { return results }
    // Sums hits, not percentages, so that the mean is identical to that of one process.
    func hits(_ percent: Double) -> Double { (percent * Double(count) / 100).rounded() }
    let rows = try rows([Double(count)] + results.flatMap { [hits($0.top1), hits($0.top5)] })
    func sum(_ column: Int) -> Double { rows.map { $0[column] }.reduce(0, +) }
    return results.enumerated().map { index, result in
      WeightedKNN.Result(
        top1: 100 * sum(1 + 2 * index) / sum(0), top5: 100 * sum(2 + 2 * index) / sum(0),
        predictions: result.predictions)
    }
  }
}
