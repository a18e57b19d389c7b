import Foundation

/// How often a shard that breaks is started again.
package struct ShardRetries: Sendable, Equatable {
  /// Times without a new image, one after the other, before the shard is given up.
  package var count: Int
  /// Seconds before the first time; each further one waits twice as long, up to ``longestPause``.
  package var pause: Double
  /// Seconds that a command may print nothing while its output is waited for.
  package var patience: Int

  static let longestPause = 60.0
  package static let none = ShardRetries(count: 0)

  package init(count: Int = 5, pause: Double = 1, patience: Int = 120) {
    precondition(count >= 0 && pause >= 0 && patience >= 1, "\(count) times, \(pause) s, \(patience) s")
    (self.count, self.pause, self.patience) = (count, pause, patience)
  }

  /// Seconds before an attempt, counted from 1.
  func pause(before attempt: Int) -> Double {
    min(pause * pow(2, Double(attempt - 1)), Self.longestPause)
  }
}

/// The first images of a shard, by their names and sizes, to compare them with those of another reading.
struct MemberDigest: Sendable {
  private(set) var count = 0
  private var hasher = Hasher()  // its seed is the process's, and so are the readings

  mutating func add(_ member: TarMember) {
    count += 1
    hasher.combine(member.name)
    hasher.combine(member.size)
  }

  func isSame(as other: MemberDigest) -> Bool {
    count == other.count && hasher.finalize() == other.hasher.finalize()
  }
}
