import Files
import Images
import Torch

/// An image that could not be read.
public struct BadFile: Codable, Sendable, Equatable, CustomStringConvertible {
  /// The sample's number in the data set.
  public var sample: Int
  /// Its name in the data set.
  public var name: String
  public var reason: String

  public init(sample: Int, name: String, reason: String) {
    (self.sample, self.name, self.reason) = (sample, name, reason)
  }

  /// "name: reason", a line of `bad-files.txt`.
  public var description: String { "\(name): \(reason)" }
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
/// images were seen as there are.
package struct BadFileRecord: Sendable {
  package static let judgedFrom = 20

  package let allowed: Fraction

  /// Images in the data set.
  package let count: Int
  /// Images read so far, at most ``count``.
  package private(set) var seen = 0
  /// Each file once, in the order they were met.
  package private(set) var files: [BadFile] = []
  private var known: Set<Int> = []

  package init(count: Int, allowed: Fraction = .fivePercent) {
    self.count = count
    self.allowed = allowed
  }

  /// - Throws: ``LoaderError/tooManyBadFiles(bad:seen:allowed:first:)``.
  package mutating func record(seen more: Int, bad: [BadFile]) throws(LoaderError) {
    seen = min(seen + more, count)
    for file in bad where known.insert(file.sample).inserted { files.append(file) }
    let isJudged = files.count >= Self.judgedFrom || seen == count
    if isJudged, Double(files.count) > allowed.value * Double(seen) {
      throw .tooManyBadFiles(
        bad: files.count, seen: seen, allowed: allowed, first: Array(files.prefix(3)))
    }
  }
}

/// Why no further batch comes.
public enum LoaderError: Error, Sendable, Equatable, CustomStringConvertible {
  case tooManyBadFiles(bad: Int, seen: Int, allowed: Fraction, first: [BadFile])
  /// A hundred others were tried in place of an unreadable image.
  case noSubstitute(BadFile)
  /// Memory ran out, or another failure that is no file's.
  case failed(String)

  public var description: String {
    switch self {
    case .tooManyBadFiles(let bad, let seen, let allowed, let first):
      "\(grouped(bad)) of \(grouped(seen)) images cannot be read, more than \(allowed): "
        + first.map(\.description).joined(separator: "; ") + (bad > first.count ? "; …" : "")
        + "; mend them or take them out, or raise --max-bad"
    case .noSubstitute(let file):
      "\(file), and none of 100 others drawn in its place can be read; check the data set"
    case .failed(let reason):
      "loading stopped: \(reason)"
    }
  }
}

/// Whether the file itself is bad, or the shard that it lies in: not where another attempt or machine could read it.
package func isFileToBlame(_ error: any Error) -> Bool {
  if let error = error as? ShardError { return error.isBreak }
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
}
