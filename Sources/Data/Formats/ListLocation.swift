import Files

/// Where a list and its images are: `val.txt`, whose paths start from its own folder, or `val.txt@val/`, whose paths start
/// from another folder, from a tar file or from a zip file. A file that is really called so is meant as it is.
package struct ListLocation: Equatable {
  let list: String
  /// Behind the @; nil without one.
  let root: String?

  private static let separators: [String: Unicode.Scalar] = ["csv": ",", "tsv": "\t"]

  /// Nil where no list is there.
  init?(_ path: String) {
    if FileKind(path) != nil {
      guard Self.isList(path) else { return nil }
      (list, root) = (path, nil)
      return
    }
    for at in path.indices where path[at] == "@" {
      let list = String(path[..<at])
      guard Self.isList(list), case .file = FileKind(list) else { continue }
      let root = String(path[path.index(after: at)...])
      (self.list, self.root) = (list, root.isEmpty ? nil : root)
      return
    }
    return nil
  }

  /// The same list and root from any working folder; nil where no list is there.
  package static func absolute(_ data: String, _ path: (String) -> String) -> String? {
    guard let place = ListLocation(data) else { return nil }
    return path(place.list) + (place.root.map { "@" + path($0) } ?? "")
  }

  private static func isList(_ path: String) -> Bool {
    let kind = path.lastPathPart.split(separator: ".").last?.lowercased() ?? ""
    return path.contains(".") && (kind == "txt" || separators[kind] != nil)
  }

  /// Of a table's fields; nil for a list of lines.
  var separator: Unicode.Scalar? { Self.separators[list.split(separator: ".").last?.lowercased() ?? ""] }

  /// The folder that relative paths start from.
  var folder: String { root ?? list.parentFolder }

  /// The root as an archive; nil where it is a folder.
  ///
  /// - Parameter limit: The largest image file that is read, bytes.
  /// - Throws: ``DatasetError`` where it is neither.
  func archive(limit: Int) throws(DatasetError) -> (any FileArchive)? {
    guard let root else { return nil }
    switch FileKind(root) {
    case .folder: return nil
    case .file where root.lowercased().hasSuffix(".zip"): return try ZipMembers(root)
    case .file where root.lowercased().hasSuffix(".tar"): return try TarMembers(flat: root, limit: limit)
    case nil: throw .missing(path: root)
    default:
      throw .badFile(
        reason: "\(root), the root of the list \(list), is neither a folder nor a .tar or .zip file")
    }
  }
}
