import Files

/// Why shards could not be found, read or trusted: the fault, its place and the fix.
package enum ShardError: Error, Equatable, Sendable {
  case badPattern(pattern: String, detail: String)
  /// A range that counts down, such as {9..0}.
  case emptyRange(pattern: String, range: String)
  case tooManyShards(pattern: String, limit: Int)
  /// Files that a pattern names and that are not there.
  case missing(first: String, count: Int, of: Int)
  case unreadable(shard: String, reason: String)
  /// `members` were read before it.
  case damaged(shard: String, members: Int, detail: String)
  case commandFailed(command: String, detail: String)
  /// It stayed away or broken, for the reason given; `images` of it were not read.
  case givenUp(images: Int, reason: String)
  /// Not what it was when its members were listed.
  case changed(shard: String, detail: String)
  /// An index counts other images in it than it holds.
  case otherCount(shard: String, found: Int, expected: Int)
  /// Its first `members` images are others than before it broke.
  case otherAfterBreak(shard: String, members: Int)
  /// An index file that is none, or that cannot be right.
  case badIndex(path: String, detail: String)
  case noImages(first: String, shards: Int)
  case outOfMemory(shard: String)
  case unwritable(path: String, reason: String)
  /// Shards that packing would write over.
  case wouldOverwrite(path: String)
  /// A class name that does not fit into a tar file's header.
  case classNameTooLong(name: String, limit: Int)
  /// The reader was ended while somebody waited.
  case cancelled
}

extension ShardError {
  /// Whether the shard is away or broken, rather than another one than it should be.
  package var isBreak: Bool {
    switch self {
    case .unreadable, .damaged, .commandFailed, .givenUp: true
    default: false
    }
  }
}

extension ShardError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .badPattern(let pattern, let detail):
      "\(pattern): \(detail)"
    case .emptyRange(let pattern, let range):
      "\(pattern): the range \(range) is empty; write the smaller number first"
    case .tooManyShards(let pattern, let limit):
      "\(pattern) names more than \(grouped(limit)) shards; check its ranges"
    case .missing(let first, let count, let all):
      "\(first) does not exist"
        + (all > 1 ? ", nor do \(grouped(count - 1)) others of \(grouped(all)) shards" : "")
        + "; check the path and the range"
    case .unreadable(let shard, let reason):
      "\(shard) cannot be read: \(reason)"
    case .damaged(let shard, let members, let detail):
      "\(shard) is damaged after \(grouped(members)) member\(members == 1 ? "" : "s") (\(detail)); "
        + "fetch or pack it again"
    case .commandFailed(let command, let detail):
      "the command `\(command)` failed: \(detail)"
    case .givenUp(_, let reason):
      reason
    case .changed(let shard, let detail):
      "\(shard) is not what it was when its images were listed: \(detail); start again"
    case .otherCount(let shard, let found, let expected):
      "\(shard) holds \(grouped(found)) JPEG, PNG and WebP images, and the index has \(grouped(expected)); if the shard "
        + "is whole, write the index anew with moco index (one by wids counts samples, and a sample may have no image or "
        + "two)"
    case .otherAfterBreak(let shard, let members):
      "\(shard) broke and was started again, and its first \(grouped(members)) images are others than before; it must "
        + "give the same bytes each time"
    case .badIndex(let path, let detail):
      "\(path): \(detail)"
    case .noImages(let first, let shards):
      "\(first)\(shards > 1 ? " and \(grouped(shards - 1)) more shards hold" : " holds") no JPEG, PNG or WebP image"
    case .outOfMemory(let shard):
      "not enough memory to read \(shard)"
    case .unwritable(let path, let reason):
      "\(path) cannot be written: \(reason)"
    case .wouldOverwrite(let path):
      "\(path) is there already; choose another name, or --overwrite"
    case .classNameTooLong(let name, let limit):
      "the class name \(name) is longer than \(limit) bytes; rename its folder"
    case .cancelled:
      "reading the shards was stopped"
    }
  }
}
