import Files
import Foundation

/// The forms in which shards are given:
///
/// - a tar file, plain or packed: `train.tar`, `.tar.gz`, `.tgz`, `.tar.zst`;
/// - several by braces, `train-{000..127}.tar`, `{train,val}-{0..9}.tar`: see ``BraceExpansion``;
/// - several by a glob of the shell, `'shards/*.tar'`, in byte order;
/// - `pipe:` and a shell command, with ranges of numbers; its other braces are the shell's;
/// - any of these one after the other, with `::` between them.
///
/// A file that is really called so is always meant.
package enum ShardPattern {
  static let endings = [".tar", ".tar.gz", ".tgz", ".tar.zst"]
  static let limit = 1_000_000
  private static let pipe = "pipe:"

  /// Whether `data` means shards, and is no folder.
  package static func recognizes(_ data: String) -> Bool {
    switch FileKind(data) {
    case .folder: return false
    case .file, .other: return hasEnding(data)
    case nil: break
    }
    let first = parts(of: data)[0]
    if first.hasPrefix(pipe) || hasEnding(first) { return true }
    // x.{tar,tgz} and shards/*.
    guard let names = try? BraceExpansion(first).names(limit: limit) else { return false }
    return !names.isEmpty
      && names.allSatisfy { name in
        if hasEnding(name) { return true }
        let found = isGlob(name) ? matches(name) : []
        return !found.isEmpty && found.allSatisfy(hasEnding)
      }
  }

  static func hasEnding(_ name: String) -> Bool {
    let name = name.lowercased()
    return endings.contains { name.hasSuffix($0) }
  }

  /// Whether opening the data set runs a command.
  package static func runsCommands(_ data: String) -> Bool {
    parts(of: data).contains { $0.hasPrefix(pipe) }
  }

  /// The same shards from any working folder; commands are not changed.
  package static func absolute(_ data: String, _ path: (String) -> String) -> String {
    parts(of: data).map { $0.hasPrefix(pipe) ? $0 : path($0) }.joined(separator: "::")
  }

  /// The parts between `::`. A command may hold `::` itself: it ends where another one begins.
  static func parts(of data: String) -> [String] {
    guard FileKind(data) == nil else { return [data] }
    return data.components(separatedBy: "::").reduce(into: []) { parts, part in
      if let last = parts.last, last.hasPrefix(pipe), !part.hasPrefix(pipe) {
        parts[parts.count - 1] = last + "::" + part
      } else {
        parts.append(part)
      }
    }
  }

  /// The shards in order. Files must be there.
  ///
  /// - Parameter pattern: One of the forms, or a folder of tar files.
  /// - Throws: ``ShardError``.
  package static func sources(_ pattern: String) throws(ShardError) -> [ShardSource] {
    if case .folder = FileKind(pattern), !hasEnding(pattern) { return try sources(inFolder: pattern) }
    var sources: [ShardSource] = []
    for part in parts(of: pattern) {
      sources += part.hasPrefix(pipe) ? try commands(part) : try files(part)
      guard sources.count <= limit else { throw .tooManyShards(pattern: pattern, limit: limit) }
    }
    return sources
  }

  // MARK: Commands

  private static func commands(_ part: String) throws(ShardError) -> [ShardSource] {
    let command = part.dropFirst(pipe.count).trimmingCharacters(in: .whitespaces)
    guard !command.isEmpty else {
      throw .badPattern(pattern: part, detail: "no command; write one behind pipe:, such as pipe:curl URL")
    }
    return try expandRanges(command, of: part).map { .command($0) }
  }

  /// Every range of numbers in every combination; other braces stay.
  static func expandRanges(_ text: String, of pattern: String) throws(ShardError) -> [String] {
    var expanded = [""]
    var rest = text[...]
    do throws(BraceExpansion.Failure) {
      while let place = rest.firstMatch(of: /\{[0-9]+\.\.[0-9]+(?:\.\.[0-9]+)?\}/)?.range,
        let range = try BraceRange(String(rest[place].dropFirst().dropLast()))
      {
        guard let count = range.count, count <= limit, expanded.count * count <= limit else { throw .tooMany }
        let before = rest[..<place.lowerBound]
        expanded = expanded.flatMap { start in range.texts.map { "\(start)\(before)\($0)" } }
        rest = rest[place.upperBound...]
      }
    } catch { throw failure(error, pattern) }
    return expanded.map { $0 + rest }
  }

  // MARK: Files

  private static func files(_ part: String) throws(ShardError) -> [ShardSource] {
    if case .file = FileKind(part) { return [.file(part)] }
    var paths: [String] = []
    var missing: [String] = []
    for path in try expand(part, of: part) {
      switch FileKind(path) {
      case .file: paths.append(path)
      case .folder, .other: throw notRegular(path)
      case nil where isGlob(path):
        let found = matches(path)
        guard !found.isEmpty else { throw .noMatch(pattern: path) }
        if let odd = found.first(where: { FileKind($0) != .file }) { throw notRegular(odd) }
        paths += found
      case nil:
        paths.append(path)
        missing.append(path)
      }
    }
    if let first = missing.first {
      if let brace = first.firstIndex(where: { "{}".contains($0) }) {
        throw .badPattern(
          pattern: part, detail: "\"\(first[brace...])\" is no range of numbers; write one as {000..127}")
      }
      throw .missing(first: first, count: missing.count, of: paths.count)
    }
    return paths.map { .file($0) }
  }

  /// Every name that braces stand for.
  ///
  /// - Throws: ``ShardError/badPattern(pattern:detail:)``, ``ShardError/tooManyShards(pattern:limit:)``.
  static func expand(_ text: String, of pattern: String) throws(ShardError) -> [String] {
    do throws(BraceExpansion.Failure) {
      return try BraceExpansion(text).names(limit: limit)
    } catch { throw failure(error, pattern) }
  }

  private static func failure(_ failure: BraceExpansion.Failure, _ pattern: String) -> ShardError {
    switch failure {
    case .unbalanced:
      .badPattern(
        pattern: pattern, detail: "its braces do not match; write \\{ for one that is a part of a name")
    case .tooDeep: .badPattern(pattern: pattern, detail: "its braces stand too deep in one another")
    case .tooMany: .tooManyShards(pattern: pattern, limit: limit)
    }
  }

  private static func notRegular(_ path: String) -> ShardError {
    .unreadable(shard: path, reason: "not a regular file; read others as \"pipe:cat \(path)\"")
  }

  private static func isGlob(_ path: String) -> Bool { path.contains { "*?[".contains($0) } }

  /// In byte order; names that begin with a dot only where the pattern says so.
  private static func matches(_ pattern: String) -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(pattern, GLOB_NOSORT, nil, &found) == 0, let paths = found.gl_pathv else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { paths[$0].map { String(cString: $0) } }
      .sorted { $0.precedesInBytes($1) }
  }

  // MARK: Folders

  /// The tar files in a folder, in byte order.
  ///
  /// - Throws: ``ShardError/severalParts(folder:parts:)`` where their names tell of more than one part of a data set,
  ///   ``ShardError/noMatch(pattern:)`` where there is none, ``ShardError/folderOfImages(_:)`` where images are instead.
  static func sources(inFolder folder: String) throws(ShardError) -> [ShardSource] {
    let listing: FolderListing
    do throws(DatasetError) { listing = try FolderListing(folder) } catch {
      throw .unreadable(shard: folder, reason: "\(error)")
    }
    let names = listing.files.filter(hasEnding)
    if let odd = listing.pipes.first(where: hasEnding) { throw notRegular(joined(folder, odd)) }
    guard !names.isEmpty else {
      if holdsImages(folder, listing) { throw .folderOfImages(folder) }
      throw .noMatch(pattern: joined(folder, "*.tar"))
    }
    let parts = Set(names.compactMap(part)).sorted()
    guard parts.count <= 1 else { throw .severalParts(folder: folder, parts: parts) }
    return names.map { .file(joined(folder, $0)) }
  }

  /// Whether images lie in a folder, or in one of the folders in it.
  private static func holdsImages(_ folder: String, _ listing: FolderListing) -> Bool {
    !listing.sorted().images.isEmpty
      || listing.folders.contains { (try? FolderListing(folder, $0))?.sorted().images.isEmpty == false }
  }

  /// "train" of train-000.tar or imagenet_train_0.tar.
  private static func part(of name: String) -> String? {
    name.lowercased().split(whereSeparator: { !$0.isLetter }).map(String.init)
      .first { DatasetSplit.allNames.contains($0) }
  }
}
