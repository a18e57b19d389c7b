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

/// The forms in which shards are given: `train-{000..127}.tar`, also `.tar.gz`, `.tgz` and `.tar.zst`; a single such
/// file; or `pipe:` and a shell command, with the same ranges.
///
/// A range {a..b} counts from a to b. A leading zero in either makes all numbers as wide as the wider one. Several
/// ranges give every combination, the last one counting fastest. In a command other braces are the shell's.
package enum ShardPattern {
  static let endings = [".tar", ".tar.gz", ".tgz", ".tar.zst"]
  static let limit = 1_000_000

  /// Whether `data` means shards: a command, or a name with the ending of a tar file that is no folder.
  package static func recognizes(_ data: String) -> Bool {
    if data.hasPrefix("pipe:") { return true }
    let name = data.lowercased()
    guard endings.contains(where: { name.hasSuffix($0) }) else { return false }
    if case .folder = FileKind(data) { return false }
    return true
  }

  /// The shards in order. Files must be there.
  ///
  /// - Throws: ``ShardError``.
  package static func sources(_ pattern: String) throws(ShardError) -> [ShardSource] {
    if pattern.hasPrefix("pipe:") {
      let command = pattern.dropFirst("pipe:".count).trimmingCharacters(in: .whitespaces)
      guard !command.isEmpty else {
        throw .badPattern(
          pattern: pattern, detail: "no command; write one behind pipe:, such as pipe:curl URL")
      }
      return try expand(command, of: pattern).map { .command($0) }
    }
    // A file that is really called so is meant.
    if case .file = FileKind(pattern) { return [.file(pattern)] }
    let paths = try expand(pattern, of: pattern)
    if let brace = paths[0].firstIndex(where: { "{}".contains($0) }) {
      throw .badPattern(
        pattern: pattern,
        detail: "\"\(paths[0][brace...])\" is no range of numbers; write one as {000..127}")
    }
    var missing: [String] = []
    for path in paths {
      switch FileKind(path) {
      case .file: break
      case nil: missing.append(path)
      case .folder, .other:
        throw .unreadable(shard: path, reason: "not a regular file; read others as \"pipe:cat \(path)\"")
      }
    }
    if let first = missing.first { throw .missing(first: first, count: missing.count, of: paths.count) }
    return paths.map { .file($0) }
  }

  /// Every range in every combination.
  static func expand(_ text: String, of pattern: String) throws(ShardError) -> [String] {
    var expanded = [""]
    var rest = text[...]
    while let found = firstRange(in: rest) {
      guard let numbers = found.numbers else {
        throw .emptyRange(pattern: pattern, range: String(rest[found.place]))
      }
      guard expanded.count.multipliedReportingOverflow(by: numbers.count).overflow == false,
        expanded.count * numbers.count <= limit
      else { throw .tooManyShards(pattern: pattern, limit: limit) }
      let literal = rest[..<found.place.lowerBound]
      expanded = expanded.flatMap { start in
        numbers.map { "\(start)\(literal)" + padded($0, to: found.width) }
      }
      rest = rest[found.place.upperBound...]
    }
    return expanded.map { $0 + rest }
  }

  private struct Range {
    var place: Swift.Range<Substring.Index>
    /// Nil when it counts down.
    var numbers: ClosedRange<Int>?
    var width: Int
  }

  private static func firstRange(in text: Substring) -> Range? {
    guard let match = text.firstMatch(of: /\{([0-9]{1,18})\.\.([0-9]{1,18})\}/),
      let first = Int(match.1), let last = Int(match.2)
    else { return nil }
    let isPadded = [match.1, match.2].contains { $0.count > 1 && $0.hasPrefix("0") }
    return Range(
      place: match.range, numbers: first <= last ? first...last : nil,
      width: isPadded ? max(match.1.count, match.2.count) : 0)
  }
}

/// `number` with zeros before it, at least `width` digits.
func padded(_ number: Int, to width: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
