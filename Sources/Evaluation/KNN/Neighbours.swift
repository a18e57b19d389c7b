import Files
import Torch

/// The most similar bank rows for each query.
package struct Neighbours: Equatable, Sendable {
  /// For M queries M lists of min(k, N) bank rows, nearest first.
  package internal(set) var indices: [[Int]] = []
  /// Their cosines, −1...1 up to rounding.
  package internal(set) var similarities: [[Float]] = []
}

extension WeightedKNN {
  /// Queries whose neighbours are held twice at the same time: as tensors, and as lists.
  private static let queriesAtOnce = 4096

  /// The `k` bank rows with the largest cosine to each query; all rows if the bank has fewer.
  /// - Parameters:
  ///   - queries: M×D, floating point.
  ///   - bank: N×D, floating point; N at least 1.
  package func neighbours(of queries: Tensor, in bank: Tensor) throws -> Neighbours {
    let (count, width) = (bank.shape[0], bank.shape[1])
    precondition(count > 0, "the bank is empty")
    queries.expect([nil, width], "queries against a bank of \(count)×\(width)")
    let k = min(self.k, count)
    let rows = try normalized(bank, "bank"), wanted = try normalized(queries, "queries")
    var neighbours = Neighbours()
    for first in stride(from: 0, to: wanted.shape[0], by: WeightedKNN.queriesAtOnce) {
      let last = min(first + WeightedKNN.queriesAtOnce, wanted.shape[0])
      let (similarities, indices) = try withTorchErrors {
        let nearest = nearestRows(to: wanted.narrowed(first..<last), in: rows, count: k)  // each M×k
        return (nearest.products.array(of: Float.self), nearest.indices.array(of: Int.self))
      }
      let sorted = WeightedKNN.inBlocks(of: last - first) { block in
        var own = Neighbours()
        for start in block.lazy.map({ $0 * k }) {
          let found = (start..<start + k).map { Neighbour(similarity: similarities[$0], index: indices[$0]) }
            .sorted()
          own.indices.append(found.map(\.index))
          own.similarities.append(found.map(\.similarity))
        }
        return own
      }
      for own in sorted {
        neighbours.indices += own.indices
        neighbours.similarities += own.similarities
      }
    }
    return neighbours
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

  /// `body` of 0 ..< count, some at a time, on all cores; results in order.
  static func inBlocks<Value: Sendable>(
    of count: Int, _ body: @escaping @Sendable (Range<Int>) -> Value
  ) -> [Value] {
    let size = 256
    return inParallel((count + size - 1) / size, threads: Cores.usable) { block in
      body(block * size..<min(count, (block + 1) * size))
    }
  }

  private func normalized(_ features: Tensor, _ name: String) throws -> Tensor {
    try withTorchErrors {
      let features = features.detached().to(device).to(.float32)
      guard features.isAllFinite() else { throw EvaluationError.notFinite(name) }
      return l2Normalized(features)
    }
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
