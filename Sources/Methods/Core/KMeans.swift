import Torch

/// K-means by Lloyd's algorithm: every point goes to the nearest centre, every centre to the mean of its points.
///
/// Exact: all points are compared with all centres. Clusters that have become empty split another one, as faiss does
/// (`Clustering`, faiss 1.15). On a CPU the result does not depend on the number of threads: a centre's points are
/// added up in their order.
///
/// In addition to the points, n×C, it needs n labels and at most 2²⁴ comparisons at once. An iteration takes n·m·C
/// multiplications for m clusters.
public struct KMeans: Sendable, Equatable {
  /// The most iterations. It ends before when no label changes, as further ones would change nothing.
  public var iterations: Int
  /// Whether centres are brought to length 1, before the first search too.
  public var isSpherical: Bool

  public init(iterations: Int = 20, isSpherical: Bool = false) {
    precondition(iterations >= 0, "\(iterations) iterations")
    (self.iterations, self.isSpherical) = (iterations, isSpherical)
  }

  public struct Result {
    /// The cluster of each point, n int64: a search after the last update.
    public let labels: Tensor
    /// m×C.
    public let centres: Tensor
    /// The number of points of each cluster.
    public let sizes: [Int]
    /// The sum of the points' squared distances to their centres, before each update and after the last.
    public let objectives: [Double]
    /// The empty clusters that split another one, in each update.
    public let splits: [[Split]]
  }

  public struct Split: Sendable, Equatable {
    /// The empty cluster.
    public let cluster: Int
    /// The cluster that gave it half of its points.
    public let donor: Int
  }

  /// - Parameters:
  ///   - points: n×C.
  ///   - start: The first centres, m×C with 1 ≤ m ≤ n.
  public func callAsFunction(_ points: Tensor, startingFrom start: Tensor) -> Result {
    self(points, startingFrom: start) {}
  }

  /// - Parameter check: Runs before every comparison of some of the points with all centres; an error breaks the
  ///   clustering off.
  public func callAsFunction(
    _ points: Tensor, startingFrom start: Tensor, checking check: () throws -> Void
  ) rethrows -> Result {
    guard points.isDefined, start.isDefined else {  // after an error, which withTorchErrors reports
      return Result(labels: start, centres: start, sizes: [], objectives: [], splits: [])
    }
    return try withNoGrad {
      let (count, clusters) = (points.shape[0], start.shape[0])
      start.expect([nil, points.shape[1]], "centres of points \(points.shape)")
      precondition((1...max(count, 1)).contains(clusters), "\(clusters) clusters of \(count) points")
      var centres = isSpherical ? l2Normalized(start) : start.clone()  // m×C
      var (labels, objective) = try nearest(points, centres, check)  // n, in memory as numbers of the host
      var (objectives, splits) = ([objective], [[Split]]())
      for _ in 0..<iterations where labels.count == count {  // fewer after an error
        let update = moved(points, labels, clusters: clusters)
        centres = update.centres
        splits.append(update.splits)
        let before = labels
        (labels, objective) = try nearest(points, centres, check)
        objectives.append(objective)
        if labels == before { break }
      }
      return Result(
        labels: Tensor(labels, on: points.device), centres: centres,
        sizes: KMeans.sizes(labels, clusters: clusters), objectives: objectives, splits: splits)
    }
  }

  /// The nearest centre of each point, of equally near ones the first, and the sum of the squared distances.
  private func nearest(
    _ points: Tensor, _ centres: Tensor, _ check: () throws -> Void
  ) rethrows -> (labels: [Int], objective: Double) {
    let columns = centres.transposed  // C×m
    let half = centres.pow(2).sum(dim: 1) * 0.5  // m
    var (labels, objective) = ([Int](), 0.0)
    for rows in blocks(of: points.shape[0], width: centres.shape[0]) {
      try check()
      let own = points.narrowed(rows)  // B×C
      let scores = own.matmul(columns) - half  // B×m: (‖x‖² − ‖x − c‖²)/2
      let best = scores.argMax(dim: 1)  // B
      let reached = scores.gathered(best.reshaped([-1, 1]), dim: 1)  // B×1
      objective += (own.pow(2).sum(dim: 1, keepDim: true) - reached * 2).sum().item()
      labels += best.array()
    }
    return (labels, objective)
  }

  /// Rows that are compared with all centres at once.
  private func blocks(of count: Int, width: Int) -> [Range<Int>] {
    let size = max(1, (1 << 24) / width)
    return stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// The means of the clusters' points, after empty clusters have split others.
  private func moved(_ points: Tensor, _ labels: [Int], clusters: Int) -> (centres: Tensor, splits: [Split]) {
    let sizes = KMeans.sizes(labels, clusters: clusters)
    let device = points.device
    let sums = Tensor.zeros([clusters, points.shape[1]], dtype: points.dtype, on: device)  // m×C
    sums.indexAdd(Tensor(labels, on: device), points)
    let counts = Tensor(sizes.map { Double(max($0, 1)) }, shape: [clusters, 1]).to(points.dtype).to(device)
    let means = sums / counts  // m×C
    let splits = KMeans.split(means, sizes, points: labels.count)
    return (isSpherical ? l2Normalized(means) : means, splits)
  }

  private static func sizes(_ labels: [Int], clusters: Int) -> [Int] {
    labels.reduce(into: Array(repeating: 0, count: clusters)) { $0[$1] += 1 }
  }
}

// MARK: - Empty clusters

extension KMeans {
  /// Gives every empty cluster half of another one's points: both centres become the donor's, moved apart by a little.
  ///
  /// The donor is drawn as in faiss: the clusters are gone through again and again, each taken with the probability
  /// (its points − 1)/(n − m).
  private static func split(_ centres: Tensor, _ sizes: [Int], points: Int) -> [Split] {
    guard sizes.contains(0) else { return [] }
    let clusters = sizes.count
    var counts = sizes.map(Float.init)
    var generator = MersenneTwister(seed: 1234)
    let apart = apart(like: centres)  // C
    var splits: [Split] = []
    for cluster in counts.indices where counts[cluster] == 0 {
      var donor = 0
      while true {
        let probability = Float((Double(counts[donor]) - 1) / Double(points - clusters))
        let drawn = Float(generator.next()) / Float(UInt32.max)
        if drawn < probability { break }
        donor = (donor + 1) % clusters
      }
      let centre = centres.selected(donor)  // C
      centres.selected(cluster).copy(from: centre * (apart + 1))
      centre.multiply(by: 1 - apart)
      counts[cluster] = counts[donor] / 2
      counts[donor] -= counts[cluster]
      splits.append(Split(cluster: cluster, donor: donor))
    }
    return splits
  }

  /// 1/1024, −1/1024, 1/1024, … along a centre.
  private static func apart(like centres: Tensor) -> Tensor {
    let signs = (0..<centres.shape[1]).map { $0.isMultiple(of: 2) ? 1.0 / 1024 : -1.0 / 1024 }
    return Tensor(signs).to(centres.dtype).to(centres.device)
  }
}
