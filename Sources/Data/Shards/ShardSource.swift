import Files
import Foundation

/// Where a shard's bytes come from.
package enum ShardSource: Sendable, Hashable, CustomStringConvertible {
  /// A tar file, plain or packed by gzip or Zstandard.
  case file(String)
  /// The standard output of a shell command.
  case command(String)

  /// The path, or the command behind `pipe:`, as the user gives it.
  package var description: String {
    switch self {
    case .file(let path): path
    case .command(let text): "pipe:" + text
    }
  }

  var isCommand: Bool { if case .command = self { true } else { false } }

  /// How its samples' names begin: the file's name without its folders, or the whole command.
  var shortName: String {
    switch self {
    case .file(let path): String(path.split(separator: "/").last ?? "")
    case .command: description
    }
  }

  /// The last part of the first address in a command: "train-003.tar" in `curl 'https://e.org/a/train-003.tar?key=1'`.
  /// Nil for a file, and without an address or a path in it.
  var addressName: String? {
    guard case .command(let text) = self, let scheme = text.range(of: "://") else { return nil }
    let address = text[scheme.upperBound...].prefix { !" \t\n'\"`?#|;&<>()".contains($0) }
    return address.split(separator: "/").dropFirst().last.map(String.init)  // the first is the host
  }
}
