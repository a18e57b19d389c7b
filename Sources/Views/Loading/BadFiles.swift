import Images

/// An image that could not be read.
public struct BadFile: Sendable, Equatable, CustomStringConvertible {
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

/// What becomes of images that cannot be read: a few are skipped, counted and listed; many stop the run.
///
/// Many is more than 5 % of the images seen so far, once that is a judgement: after 20 bad ones, or when as many
/// images were seen as there are.
public struct BadFileRecord: Sendable {
  public static let allowedShare = 0.05
  public static let judgedFrom = 20

  /// Images in the data set.
  public let count: Int
  /// Images asked for so far, at most ``count``.
  public private(set) var seen = 0
  /// Each file once, in the order they were met.
  public private(set) var files: [BadFile] = []
  private var known: Set<Int> = []

  public init(count: Int) { self.count = count }

  /// - Throws: ``LoaderError/tooManyBadFiles(bad:seen:first:)``.
  public mutating func record(seen more: Int, bad: [BadFile]) throws(LoaderError) {
    seen = min(seen + more, count)
    for file in bad where known.insert(file.sample).inserted { files.append(file) }
    let isJudged = files.count >= Self.judgedFrom || seen == count
    if isJudged, Double(files.count) > Self.allowedShare * Double(seen) {
      throw .tooManyBadFiles(bad: files.count, seen: seen, first: Array(files.prefix(3)))
    }
  }
}

/// Why no further batch comes.
public enum LoaderError: Error, Sendable, Equatable, CustomStringConvertible {
  case tooManyBadFiles(bad: Int, seen: Int, first: [BadFile])
  /// A hundred others were tried in place of an unreadable image.
  case noSubstitute(BadFile)
  /// Memory ran out, or something else that no file is to blame for.
  case failed(String)

  public var description: String {
    switch self {
    case .tooManyBadFiles(let bad, let seen, let first):
      "\(grouped(bad)) of \(grouped(seen)) images cannot be read, more than 5 %: "
        + first.map(\.description).joined(separator: "; ") + (bad > first.count ? "; …" : "")
        + "; mend them or take them out"
    case .noSubstitute(let file):
      "\(file), and none of 100 others drawn in its place can be read; check the data set"
    case .failed(let reason):
      "loading stopped: \(reason)"
    }
  }
}

/// Whether the file is to blame. What another attempt or machine would read well is not.
func isFileToBlame(_ error: any Error) -> Bool {
  guard let error = error as? ImageError else { return false }
  if case .outOfMemory = error.reason { return false }
  return true
}

extension BadFile {
  /// The name is said once.
  init(sample: Int, of dataset: Dataset, _ error: any Error) {
    let reason = (error as? ImageError).map { "\($0.reason)" } ?? "\(error)"
    self.init(sample: sample, name: dataset.name(sample), reason: reason)
  }
}
