import Files
import Images
import Torch

/// An image that could not be read, or, in training, a shard that was given up.
public struct BadFile: Codable, Sendable, Equatable, CustomStringConvertible {
  /// The sample's number in the data set; of a shard its first one's.
  public var sample: Int
  /// Its name in the data set.
  public var name: String
  public var reason: String
  /// How many of a shard's images cannot be read; nil for a single image.
  public var images: Int?

  public init(sample: Int, name: String, reason: String, images: Int? = nil) {
    (self.sample, self.name, self.reason, self.images) = (sample, name, reason, images)
  }

  /// A line of `bad-files.txt`: "name: reason", of a shard "name: 10,000 images, reason".
  public var description: String {
    "\(name): " + (images.map { "\(grouped($0)) image\($0 == 1 ? "" : "s"), " } ?? "") + reason
  }
}

/// The share of a data set that may be unreadable. As text `5%` or `0.05`.
public struct Fraction: Sendable, Equatable, Codable, LosslessStringConvertible {
  /// 0...1.
  public let value: Double

  public static let fivePercent = Fraction(value: 0.05)

  /// Traps outside 0...1.
  public init(value: Double) {
    precondition((0...1).contains(value), "a share of \(value): want 0...1")
    self.value = value
  }

  public init?(_ text: String) {
    let isPercent = text.hasSuffix("%")
    guard let number = Double(text.filter { $0 != "%" && $0 != " " }) else { return nil }
    let value = isPercent ? number / 100 : number
    guard (0...1).contains(value) else { return nil }
    self.init(value: value)
  }

  /// "5%".
  public var description: String {
    let percent = (value * 1e6).rounded() / 1e4
    return (percent == percent.rounded() ? "\(Int(percent))" : "\(percent)") + "%"
  }

  public init(from decoder: Decoder) throws {
    let place = try decoder.singleValueContainer()
    let text = try (try? place.decode(Double.self)).map { "\($0)" } ?? place.decode(String.self)
    guard let share = Fraction(text) else {
      throw DecodingError.dataCorruptedError(
        in: place, debugDescription: "`\(text)` is no share such as 5% or 0.05")
    }
    self = share
  }

  public func encode(to encoder: Encoder) throws {
    var place = encoder.singleValueContainer()
    try place.encode(description)
  }
}

/// The images that cannot be read: a few are skipped, counted and listed; many stop the run.
///
/// Many is more than the allowed share of the images seen so far. It is judged after 20 bad ones, or when as many
/// images were seen as there are. A shard that was given up would be too many of those seen at first: its images, and
/// the other bad ones with them, are compared with the whole data set, or with a rank's share of it: no rank sees more.
package struct BadFileRecord: Sendable {
  package static let judgedFrom = 20

  package let allowed: Fraction

  /// Images in the data set.
  package let count: Int
  /// Images that this rank sees in an epoch.
  private let share: Int
  /// Images read so far, at most ``count``.
  package private(set) var seen = 0
  /// Each file and each shard once, in the order they were met.
  package private(set) var files: [BadFile] = []
  private var known: Set<Int> = []
  /// Where each shard that was given up stands among the files, by its first sample.
  private var shards: [Int: Int] = [:]
  /// Images of the shards that were given up.
  private var missing = 0

  /// - Parameters:
  ///   - count: Images in the data set.
  ///   - ranks: The number of ranks that share these, each of which keeps its own record.
  ///   - allowed: The share that may be bad.
  package init(count: Int, ranks: Int = 1, allowed: Fraction = .fivePercent) {
    precondition(ranks >= 1, "\(ranks) ranks")
    self.count = count
    share = (count + ranks - 1) / ranks
    self.allowed = allowed
  }

  /// - Throws: ``LoaderError/tooManyBadFiles(bad:seen:allowed:first:)``.
  package mutating func record(seen more: Int, bad: [BadFile]) throws(LoaderError) {
    seen = min(seen + more, count)
    for file in bad {
      if let images = file.images {
        add(file, images)
      } else if known.insert(file.sample).inserted {
        files.append(file)
      }
    }
    let single = known.count
    let isJudged = single >= Self.judgedFrom || seen == count
    if isJudged, Double(single) > allowed.value * Double(seen) {
      throw tooMany(single, of: seen, files.lazy.filter { $0.images == nil })
    }
    if missing > 0, Double(missing + single) > allowed.value * Double(share) {
      throw tooMany(missing + single, of: share, files.lazy.filter { $0.images != nil })
    }
  }

  /// Judges the images of a test, which ranks share, as it will judge them: each rank its own, in order.
  ///
  /// - Parameters:
  ///   - bad: Single images by their number in the set.
  ///   - count: Images in the set.
  /// - Throws: ``LoaderError/tooManyBadFiles(bad:seen:allowed:first:)``, with which the test would end.
  package static func judge(
    _ bad: [BadFile], of count: Int, ranks: Int, allowed: Fraction
  ) throws(LoaderError) {
    let faults = Dictionary(bad.map { ($0.sample, $0) }) { first, _ in first }
    for rank in 0..<ranks {
      var record = BadFileRecord(count: count, ranks: ranks, allowed: allowed)
      for image in Rank(rank, of: ranks).share(of: count) {
        try record.record(seen: 1, bad: faults[image].map { [$0] } ?? [])
      }
    }
  }

  /// A shard that is read in parts is met with different numbers of missing images: the largest counts.
  private mutating func add(_ shard: BadFile, _ images: Int) {
    guard let place = shards[shard.sample] else {
      shards[shard.sample] = files.count
      files.append(shard)
      missing += images
      return
    }
    let before = files[place].images ?? 0
    guard images > before else { return }
    files[place].images = images
    missing += images - before
  }

  private func tooMany(_ bad: Int, of all: Int, _ files: some Sequence<BadFile>) -> LoaderError {
    .tooManyBadFiles(bad: bad, seen: all, allowed: allowed, first: Array(files.prefix(3)))
  }
}

/// Why no further batch comes.
public enum LoaderError: Error, Sendable, Equatable, CustomStringConvertible {
  case tooManyBadFiles(bad: Int, seen: Int, allowed: Fraction, first: [BadFile])
  /// A hundred draws of others in place of an unreadable image found none that can be read.
  case noSubstitute(BadFile)
  /// Memory ran out, or another failure that is no file's.
  case failed(String)

  public var description: String {
    switch self {
    case .tooManyBadFiles(let bad, let seen, let allowed, let first):
      "\(grouped(bad)) of \(grouped(seen)) images cannot be read, more than \(allowed): "
        + Self.list(first, of: bad) + "; fix them or take them out, or raise --max-bad"
    case .noSubstitute(let file):
      "\(file), and in a hundred draws of others in its place there was none that can be read; check the data set"
    case .failed(let reason):
      "loading stopped: \(reason)"
    }
  }

  /// - Parameter all: The number of bad images, of which these may be the first.
  private static func list(_ first: [BadFile], of all: Int) -> String {
    let listed = first.reduce(0) { sum, file in sum + (file.images ?? 1) }
    // The sentence says already that they cannot be read.
    let said = "cannot be read: "
    let texts = first.map { file in
      var file = file
      if file.reason.hasPrefix(said) { file.reason.removeFirst(said.count) }
      return file.description
    }
    return texts.joined(separator: "; ") + (all > listed ? "; …" : "")
  }
}

/// Whether the file itself is bad, or the shard that it lies in: not where another attempt or machine could read it.
package func isFileToBlame(_ error: any Error) -> Bool {
  if let error = error as? ShardError { return error.isBreak }
  if error is MaskError { return true }
  guard let error = error as? ImageError else { return false }
  switch error.reason {
  case .outOfMemory, .unavailable: return false
  default: return true
  }
}

extension Dataset {
  /// Samples to try in place of a bad one, in order: up to a hundred that depend only on the seed, the epoch and the
  /// sample.
  package func substitutes(for sample: Int, seed: UInt64, epoch: Int) -> [Int] {
    var generator = CounterGenerator(seed: seed, .substitution, epoch, sample)
    return (0..<100).map { _ in generator.index(below: substitutes) }.filter { $0 != sample }
  }
}

extension BadFile {
  /// The reason without the name, which comes before it.
  ///
  /// - Parameter member: The name in its shard, where the data set does not have it.
  package init(sample: Int, of dataset: Dataset, member: String? = nil, _ error: any Error) {
    let reason = (error as? ImageError).map { "\($0.reason)" } ?? "\(error)"
    let name = dataset.name(sample) + (member.map { " (\($0))" } ?? "")
    self.init(sample: sample, name: name, reason: reason)
  }

  /// The shard that a sample lies in, where the error is that it was given up.
  init?(shardOf sample: Int, in dataset: Dataset, _ error: any Error) {
    guard case .givenUp(let images, let reason) = error as? ShardError, let shards = dataset.shards else {
      return nil
    }
    let (shard, _) = shards.numbering.place(sample)
    self.init(
      sample: shards.numbering[shard].lowerBound, name: shards.sources[shard].shortName, reason: reason,
      images: images)
  }
}
