import Foundation

/// How often a shard that breaks is started again.
package struct ShardRetries: Sendable, Equatable {
  /// Times without a new image, one after the other, before the shard is given up.
  package var count: Int
  /// Seconds before the first time; each further one waits twice as long, up to ``longestPause``.
  package var pause: Double
  /// Seconds that a command may print nothing while its output is waited for.
  package var patience: Int
  /// Seconds without a new image after which the shard is given up, however few times it was started again; nil for no
  /// limit.
  package var within: Double?

  static let longestPause = 60.0
  package static let none = ShardRetries(count: 0)

  package init(count: Int = 5, pause: Double = 1, patience: Int = 120) {
    precondition(count >= 0 && pause >= 0 && patience >= 1, "\(count) times, \(pause) s, \(patience) s")
    (self.count, self.pause, self.patience) = (count, pause, patience)
  }

  /// For a reader that others wait for: it gives a shard up within `seconds`, and a command may be silent for its part
  /// of them.
  package init(count: Int = 5, pause: Double = 1, within seconds: Double) {
    precondition(seconds >= 2, "\(seconds) s")
    let pauses = (1...max(1, count)).prefix(count).reduce(0.0) { $0 + Self.pause(pause, before: $1) }
    let silence = max(seconds / 2, seconds - pauses) / Double(count + 1)
    self.init(count: count, pause: pause, patience: min(120, max(1, Int(silence))))
    within = seconds
  }

  /// Seconds before an attempt, counted from 1.
  func pause(before attempt: Int) -> Double { Self.pause(pause, before: attempt) }

  private static func pause(_ first: Double, before attempt: Int) -> Double {
    min(first * pow(2, Double(attempt - 1)), longestPause)
  }
}

// MARK: - Attempts

extension ShardRetries {
  /// The end of a reading before the shard's own.
  struct Break {
    var error: ShardError
    /// Whether another reading may do better.
    var canPass: Bool
    /// Whether images came that no reading had brought before.
    var hasNew = false
  }

  /// Reads a shard, and again where it breaks.
  ///
  /// - Parameters:
  ///   - once: One reading: nil when it is done. What it throws ends everything.
  ///   - wait: Called before each further reading with its number, from 1, and the seconds to wait.
  /// - Returns: The break after which the shard is given up; nil when it was read.
  /// - Throws: What `once` and `wait` throw.
  func attempts(
    once: () throws(ShardError) -> Break?,
    wait: (_ broken: ShardError, _ attempt: Int, _ seconds: Double) throws(ShardError) -> Void
  ) throws(ShardError) -> Break? {
    var attempt = 0
    var lastNew = ContinuousClock.now
    while let broken = try once() {
      if broken.hasNew { (attempt, lastNew) = (0, .now) }
      guard broken.canPass, attempt < count else { return broken }
      attempt += 1
      let seconds = pause(before: attempt)
      if let within, (ContinuousClock.now - lastNew) / .seconds(1) + seconds + Double(patience) > within {
        return broken
      }
      try wait(broken.error, attempt, seconds)
    }
    return nil
  }
}

extension ShardListing {
  /// The same, started again where a command breaks or falls silent.
  ///
  /// - Throws: ``ShardError``.
  init(
    reading source: ShardSource, field: String? = nil, limit: Int, retries: ShardRetries
  ) throws(ShardError) {
    var listing: ShardListing?
    let broken = try retries.attempts { () throws(ShardError) in
      do throws(ShardError) {
        listing = try ShardListing(reading: source, limit: limit, field: field, patience: retries.patience)
        return nil
      } catch {
        guard error.isBreak, source.isCommand else { throw error }
        return ShardRetries.Break(error: error, canPass: true)
      }
    } wait: { _, _, seconds in
      Thread.sleep(forTimeInterval: seconds)
    }
    guard let listing else { throw broken?.error ?? .cancelled }
    self = listing
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
