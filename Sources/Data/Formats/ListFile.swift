import Files
import Foundation

/// A `.txt` list: a path a line, relative to the list's folder, and perhaps a tab or space and a label. A path may
/// hold spaces: only a whole number at the end of the line is a label.
struct ListFile: DatasetFormat {
  let name = "list"
  let evidence = "a list"

  init?(_ location: DatasetLocation) {
    guard location.kind == .file, location.path.hasSuffix(".txt") else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    let path = location.path
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    var entries: [(path: String, label: Int32?)] = []
    for (index, raw) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .enumerated()
    {
      let line = FileName.text(raw).trimmingCharacters(in: .whitespaces.union(["\r"]))
      if line.isEmpty { continue }
      let entry: (path: String, label: Int32?)
      do { entry = try Self.parse(line) } catch {
        throw .badLine(path: path, line: index + 1, detail: error.detail)
      }
      if let first = entries.first, (first.label == nil) != (entry.label == nil) {
        let which =
          entry.label == nil
          ? "has no label, the ones before it have" : "has a label, the ones before it have none"
        throw .badLine(path: path, line: index + 1, detail: which + "; give all lines one or none")
      }
      entries.append(entry)
    }
    guard !entries.isEmpty else { throw .emptyList(path: path) }
    entries.sort { $0.path.precedesInBytes($1.path) }
    let labels = entries.compactMap(\.label)
    let root = (path as NSString).deletingLastPathComponent
    let files = ImageFiles(
      root: root.isEmpty ? "." : root, paths: entries.map(\.path), labels: labels,
      maxFileBytes: options.decoder.limits.maxFileBytes)
    let classes = labels.max().map { (0...$0).map(String.init) } ?? []
    return Dataset(files, format: name, classNames: classes, decoder: options.decoder)
  }

  private struct LineError: Error {
    var detail: String
  }

  private static func parse(_ line: String) throws(LineError) -> (path: String, label: Int32?) {
    guard let gap = line.lastIndex(where: { $0 == "\t" || $0 == " " }),
      let number = Int(line[line.index(after: gap)...])
    else { return (line, nil) }
    guard (0..<1_000_000).contains(number) else {
      throw LineError(detail: "the label \(number) is outside 0...999999")
    }
    return (line[..<gap].trimmingCharacters(in: .whitespaces), Int32(number))
  }
}
