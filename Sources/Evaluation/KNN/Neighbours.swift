import Torch

/// The most similar bank rows for each query.
package struct Neighbours: Equatable, Sendable {
  /// For M queries M lists of min(k, N) bank rows, nearest first.
  package internal(set) var indices: [[Int]] = []
  /// Their cosines, −1...1 up to rounding.
  package internal(set) var similarities: [[Float]] = []
}

extension WeightedKNN {
  /// The maximum number of similarities in memory: 256 MiB of them.
  static let blockLimit = 1 << 26

  /// The `k` bank rows with the largest cosine to each query; all rows if the bank has fewer.
  ///
  /// In addition to the two matrices in float32 this needs a block of queries × N similarities, at most 256
  /// MiB (or one query's, in a bank of more than 67 million).
  /// - Parameters:
  ///   - queries: M×D, floating point.
  ///   - bank: N×D, floating point; N at least 1.
  package func neighbours(of queries: Tensor, in bank: Tensor) throws -> Neighbours {
    try neighbours(of: queries, in: bank, blockLimit: WeightedKNN.blockLimit)
  }

  /// The same if query i is bank row i, which does not count as its own neighbour; the bank has at least two
  /// rows.
  package func others(of queries: Tensor, in bank: Tensor) throws -> Neighbours {
    let (rows, count) = (queries.shape[0], bank.shape[0])
    precondition(count > 1 && rows == count, "\(rows) queries are no \(count) bank rows, at least 2")
    var oneMore = self
    oneMore.k = min(k, count - 1) + 1  // k may be any size
    let found = try oneMore.neighbours(of: queries, in: bank)
    var others = Neighbours()
    for query in 0..<rows {
      // A row with more than k equal rows may not find itself; then its farthest neighbour is dropped
      // instead.
      let places = found.indices[query].indices.filter { found.indices[query][$0] != query }.prefix(k)
      others.indices.append(places.map { found.indices[query][$0] })
      others.similarities.append(places.map { found.similarities[query][$0] })
    }
    return others
  }

  func neighbours(of queries: Tensor, in bank: Tensor, blockLimit: Int) throws -> Neighbours {
    let (count, width) = (bank.shape[0], bank.shape[1])
    precondition(count > 0, "the bank is empty")
    queries.expect([nil, width], "queries against a bank of \(count)×\(width)")
    return try withNoGrad {
      let columns = try normalized(bank, "bank").transposed
      let rows = try normalized(queries, "queries")
      let block = max(1, blockLimit / count)
      var neighbours = Neighbours()
      for start in stride(from: 0, to: rows.shape[0], by: block) {
        try append(rows.narrowed(start..<min(start + block, rows.shape[0])), columns, to: &neighbours)
      }
      return neighbours
    }
  }

  private func normalized(_ features: Tensor, _ name: String) throws -> Tensor {
    try withTorchErrors {
      let features = features.to(device).to(.float32)
      guard features.isAllFinite() else { throw EvaluationError.notFinite(name) }
      return l2Normalized(features)
    }
  }

  /// Adds the neighbours of one block of queries.
  private func append(_ rows: Tensor, _ columns: Tensor, to neighbours: inout Neighbours) throws {
    let count = columns.shape[1]
    let k = min(self.k, count)
    try withTorchErrors {
      let similarities = rows.matmul(columns)
      // One more than wanted: if it equals the last wanted one, the order of the equal ones is undefined.
      let (values, indices) = similarities.topK(min(k + 1, count))
      let (nearest, places) = (values.array(of: Float.self), indices.array(of: Int.self))
      guard !nearest.isEmpty else { return }
      let found = nearest.count / rows.shape[0]
      for row in 0..<rows.shape[0] {
        let range = row * found..<(row + 1) * found
        var best = zip(nearest[range], places[range]).map { Neighbour(similarity: $0, index: $1) }
        if found > k, best[k - 1].similarity == best[k].similarity {
          best = settled(best, among: similarities.selected(row).array(), k: k)
        }
        best = Array(best.sorted().prefix(k))
        neighbours.indices.append(best.map(\.index))
        neighbours.similarities.append(best.map(\.similarity))
      }
    }
  }

  /// The nearest; of rows with equal similarity in the last places, the lowest rows.
  private func settled(_ best: [Neighbour], among similarities: [Float], k: Int) -> [Neighbour] {
    let tie = best[k - 1].similarity
    let nearer = best.filter { $0.similarity > tie }
    let tied = similarities.indices.lazy.filter { similarities[$0] == tie }.prefix(k - nearer.count)
    return nearer + tied.map { Neighbour(similarity: tie, index: $0) }
  }
}

/// Ordered by nearness, then by row.
private struct Neighbour: Comparable {
  let similarity: Float
  let index: Int

  static func < (a: Neighbour, b: Neighbour) -> Bool {
    a.similarity == b.similarity ? a.index < b.index : a.similarity > b.similarity
  }
}
