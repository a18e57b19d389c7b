import Files

/// Why shards could not be found, read or trusted: the fault, its place and the fix.
package enum ShardError: Error, Equatable, Sendable {
  case badPattern(pattern: String, detail: String)
  case tooManyShards(pattern: String, limit: Int)
  /// Files that a pattern names and that are not there.
  case missing(first: String, count: Int, of: Int)
  /// A glob of the shell.
  case noMatch(pattern: String)
  /// A folder of images, of class folders or of files, in place of shards.
  case folderOfImages(String)
  /// A folder with shards of more than one part of a data set, such as train and val.
  case severalParts(folder: String, parts: [String])
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
  /// `saw` is what they hold instead, by ending.
  case noImages(first: String, shards: Int, saw: String)
  /// No member has the field that `--image-key` names; those of other images are there.
  case noField(String, first: String, shards: Int, fields: String)
  /// Two images of which nobody can know whether they are one sample's.
  case sharedKey(shard: String, key: String, first: String, second: String)
  /// The same of shards that are read by their counts.
  case twoImages(shard: String, member: String)
  case outOfMemory(shard: String)
  case unwritable(path: String, reason: String)
  /// Shards that packing would write over.
  case wouldOverwrite(path: String)
  /// A class name that does not fit into a tar file's header.
  case classNameTooLong(name: String, limit: Int)
  /// A class name that is no folder's.
  case classNameNoFolder(name: String)
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
    case .tooManyShards(let pattern, let limit):
      "\(pattern) names more than \(grouped(limit)) shards; check its ranges"
    case .missing(let first, let count, let all):
      "\(first) does not exist"
        + (all > 1 ? ", nor do \(grouped(count - 1)) others of \(grouped(all)) shards" : "")
        + "; check the path and the range"
    case .noMatch(let pattern):
      "\(pattern) matches no file; check the path"
    case .folderOfImages(let folder):
      "\(folder) is a folder of images, which needs no index: give it to pretrain as it is"
    case .severalParts(let folder, let parts):
      "\(folder) holds shards of \(parts.joined(separator: " and of ")); name those of one, such as "
        + "'\(joined(folder, "*\(parts[0])*"))'"
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
      "\(shard) holds \(grouped(found)) images, and the index has \(grouped(expected)); if the shard is whole, write the "
        + "index anew with moco index (one by wids counts samples, and a sample may have no image, or one of a field that "
        + "--image-key must name)"
    case .otherAfterBreak(let shard, let members):
      "\(shard) broke and was started again, and its first \(grouped(members)) images are others than before; it must "
        + "give the same bytes each time"
    case .badIndex(let path, let detail):
      "\(path): \(detail)"
    case .noImages(let first, let shards, let saw):
      "\(Self.text(first, shards)) no image\(saw.isEmpty ? "" : ", only \(saw)")"
    case .noField(let field, let first, let shards, let fields):
      "\(Self.text(first, shards)) no member .\(field)\(fields.isEmpty ? "" : ", only \(fields)"); choose another "
        + "--image-key, or leave it out"
    case .sharedKey(let shard, let key, let first, let second):
      first.lowercased() == second.lowercased()
        ? "\(shard) holds \(first) twice\(first == second ? "" : ", as \(second)"); pack it again"
        : "\(shard): \(first) and \(second) are two images of the sample \(key) (in WebDataset a sample's name ends at "
          + "the first dot); choose one, as with --image-key \(Self.field(of: first)), or, if each is a sample of its "
          + "own, give it a name of its own before the first dot"
    case .twoImages(let shard, let member):
      "\(shard): \(member) is a second image of its sample; choose one and write the index anew, as with moco index "
        + "--image-key \(Self.field(of: member))"
    case .outOfMemory(let shard):
      "not enough memory to read \(shard)"
    case .unwritable(let path, let reason):
      "\(path) cannot be written: \(reason)"
    case .wouldOverwrite(let path):
      "\(path) is there already; choose another name, or --overwrite"
    case .classNameTooLong(let name, let limit):
      "the class name \(name) is longer than \(limit) bytes; rename its folder"
    case .classNameNoFolder(let name):
      "the class name \(name) cannot be a folder's in a shard; rename it without slashes and dots"
    case .cancelled:
      "reading the shards was stopped"
    }
  }

  private static func text(_ first: String, _ shards: Int) -> String {
    shards > 1 ? "\(first) and \(grouped(shards - 1)) more shards hold" : "\(first) holds"
  }

  private static func field(of member: String) -> String { SampleName(member)?.field ?? member }
}
