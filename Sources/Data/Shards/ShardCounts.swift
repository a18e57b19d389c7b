/// The numbers of images in shards, which number all images: over the shards in order, and in each in the archive's.
package struct ShardCounts: Sendable, Equatable {
  /// Where each shard's samples begin, and one more: where the last one's end.
  private let starts: [Int]

  package init(_ counts: some Sequence<Int>) {
    starts = counts.reduce(into: [0]) { starts, count in starts.append(starts[starts.count - 1] + count) }
  }

  /// The number of shards.
  var shards: Int { starts.count - 1 }
  /// The number of samples.
  package var count: Int { starts[shards] }

  /// The samples of a shard.
  subscript(shard: Int) -> Range<Int> { starts[shard]..<starts[shard + 1] }

  /// The shard, and which of its images.
  func place(_ sample: Int) -> (shard: Int, member: Int) {
    precondition(sample >= 0 && sample < count, "sample \(sample) of \(count)")
    // The last shard that begins at or before the sample; empty ones begin where the next does.
    var (low, high) = (0, shards)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= sample { low = middle } else { high = middle }
    }
    return (low, sample - starts[low])
  }
}
