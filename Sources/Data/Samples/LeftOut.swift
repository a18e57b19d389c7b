import Files

/// Files that lie beside the images of a data set and are not in it, by kind, class folders without an image, and files
/// of a published set that are not there.
///
/// Files of the system and hidden ones are not counted.
public struct LeftOut: Sendable, Equatable, Codable {
  /// A folder without an image.
  public struct Folder: Sendable, Equatable, Codable {
    public var name: String
    public var unread: [String: Int]
    public var companions: [String: Int]
    /// Whether it leads to a folder that was read under another name.
    public var isRepeated: Bool

    public init(
      name: String, unread: [String: Int] = [:], companions: [String: Int] = [:], isRepeated: Bool = false
    ) {
      (self.name, self.unread, self.companions, self.isRepeated) = (name, unread, companions, isRepeated)
    }
  }

  /// Pictures, films and files of unknown content that are not read, by ending, such as ".heic". Those of ``folders``
  /// are among them.
  public var unread: [String: Int]
  /// Texts, tables and other files that are no images, in the same way.
  public var companions: [String: Int]
  /// Folders that would be classes if there were an image in them, in order.
  public var folders: [Folder]
  /// Files that belong to a published data set and are not there, in order.
  public var missing: [String]

  public init(
    unread: [String: Int] = [:], companions: [String: Int] = [:], folders: [Folder] = [],
    missing: [String] = []
  ) {
    (self.unread, self.companions, self.folders, self.missing) = (unread, companions, folders, missing)
  }

  public var isEmpty: Bool { unread.isEmpty && companions.isEmpty && folders.isEmpty && missing.isEmpty }

  /// Whether images or classes may be missing: not where only texts, tables and the like are left out.
  public var isLoss: Bool { !unread.isEmpty || !missing.isEmpty || folders.contains(where: \.isLoss) }

  /// "20 .heic, 10 .txt (not read as images); no image in b/ (20 .heic), c/ (empty)". Empty where nothing is left out.
  public var text: String {
    let files = kindsText(unread.merging(companions) { $0 + $1 })
    let shown =
      folders.prefix(5).map(\.text) + (folders.count > 5 ? ["\(grouped(folders.count - 5)) more"] : [])
    return [
      files.isEmpty ? nil : "\(files) (not read as images)",
      shown.isEmpty ? nil : "no image in \(shown.joined(separator: ", "))",
      missing.isEmpty ? nil : missingText,
    ].compactMap(\.self).joined(separator: "; ")
  }

  /// "data_batch_3 is not there".
  private var missingText: String {
    let shown = missing.prefix(5) + (missing.count > 5 ? ["\(grouped(missing.count - 5)) more"] : [])
    return shown.joined(separator: ", ") + (missing.count == 1 ? " is not there" : " are not there")
  }

  /// The same as a sentence: "left out of photos: 20 .heic (not read as images)".
  package func text(of path: String) -> String { "left out of \(path): \(text)" }

  /// The reason why a class is missing: "its folder is empty".
  package func reason(for className: String) -> String? {
    guard let folder = folders.first(where: { $0.name == className }) else { return nil }
    if folder.isRepeated { return "its folder is a link to one that was read already" }
    let files = kindsText(folder.unread.merging(folder.companions) { $0 + $1 })
    return files.isEmpty ? "its folder is empty" : "its folder holds no image, only \(files)"
  }

  mutating func add(_ name: String, _ kind: NeighbourKind) {
    let ending = fileEnding(name).map { ".\($0)" } ?? "without ending"
    switch kind {
    case .image, .system: break
    case .unread: unread.countOne(ending, of: 1000)
    case .companion: companions.countOne(ending, of: 1000)
    }
  }

  mutating func add(_ other: LeftOut) {
    unread.merge(other.unread) { $0 + $1 }
    companions.merge(other.companions) { $0 + $1 }
    folders += other.folders
    missing += other.missing
  }
}

extension LeftOut.Folder {
  var isLoss: Bool { !unread.isEmpty || companions.isEmpty }

  fileprivate var text: String {
    let files = kindsText(unread.merging(companions) { $0 + $1 })
    return "\(name)/ (\(isRepeated ? "read already under another name" : files.isEmpty ? "empty" : files))"
  }
}

/// "20 .heic, 10 .svg, 1 without ending": the most frequent first, at most five.
func kindsText(_ kinds: [String: Int]) -> String {
  let sorted = kinds.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key.precedesInBytes($1.key) }
  let shown = sorted.prefix(5).map {
    "\(grouped($0.value)) \($0.value == 1 ? oneOf[$0.key] ?? $0.key : $0.key)"
  }
  let rest = sorted.dropFirst(5).reduce(0) { $0 + $1.value }
  return (shown + (rest > 0 ? ["\(grouped(rest)) other\(rest == 1 ? "" : "s")"] : [])).joined(separator: ", ")
}

/// Kinds that have no ending, and the words for one of each.
private let oneOf = [LeftOut.deadLinks: "link that leads nowhere", LeftOut.pipes: "pipe or device"]

extension LeftOut {
  static let deadLinks = "links that lead nowhere"
  static let pipes = "pipes and devices"
}

extension [String: Int] {
  /// Counts one more; beyond `most` kinds under "others".
  mutating func countOne(_ kind: String, of most: Int) {
    self[count < most || self[kind] != nil ? kind : "others", default: 0] += 1
  }

  /// "seg.png" as ".seg.png".
  var withDots: [String: Int] {
    Dictionary(map { ("." + $0.key, $0.value) }) { $0 + $1 }
  }
}
