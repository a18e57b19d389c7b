import Evaluation
import Torch

// How ranks share an evaluation out.

extension EncodedSet {
  /// All ranks' rows in the order of the ranks, in every rank. Which images they are and could not be read stays each
  /// rank's own knowledge.
  func gathered(over team: Team) throws -> EncodedSet {
    guard team.rank.count > 1 else { return self }
    let counts = try team.rows([Double(labels.count)]).map { Int($0[0]) }
    let most = counts.max() ?? 0
    let missing = most - labels.count
    let all = try withTorchErrors {
      // Collective operations need rows of one number.
      let rest = Tensor.zeros([missing, features.shape[1]], dtype: features.dtype, on: features.device)
      let rows = team.group.allGathered(.concatenated([features, rest]))
      return Tensor.concatenated(
        counts.enumerated().map { rank, count in rows.narrowed(rank * most..<rank * most + count) })
    }
    let allLabels = try team.rows((labels + [Int](repeating: 0, count: missing)).map(Double.init))
    return EncodedSet(
      features: all, samples: Array(0..<counts.reduce(0, +)),
      labels: zip(allLabels, counts).flatMap { row, count in row.prefix(count).map { Int($0) } },
      unreadable: unreadable)
  }
}

extension Team {
  /// The accuracies over all ranks' queries; the predictions stay those of this rank's.
  func mean(_ results: [WeightedKNN.Result], of count: Int) throws -> [WeightedKNN.Result] {
    guard rank.count > 1 else { return results }
    let rows = try rows([Double(count)] + results.flatMap { [$0.top1, $0.top5] })
    let total = rows.map { $0[0] }.reduce(0, +)
    func mean(_ column: Int) -> Double { rows.map { $0[0] * $0[column] }.reduce(0, +) / total }
    return results.enumerated().map { index, result in
      WeightedKNN.Result(
        top1: mean(1 + 2 * index), top5: mean(2 + 2 * index), predictions: result.predictions)
    }
  }
}
