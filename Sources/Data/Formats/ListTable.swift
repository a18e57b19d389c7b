import Files
import Foundation

/// A table of images: a column with their paths, and perhaps one with their labels. Its first row names the columns, or is
/// already an image and its label.
struct ListTable {
  private(set) var entries: [PathList.Entry] = []
  /// Why there are no labels, as a sentence without its end, where a column might hold them.
  private(set) var labelProblem: String?

  static let pathColumns = ["path", "image", "filename", "file", "file_name", "filepath", "image_path"]
  static let labelColumns = ["label", "class", "target", "category"]

  private enum Columns {
    case positions(path: Int, label: Int?)
    /// ImageNet's `LOC_val_solution.csv`: names without extension, and the class before the boxes.
    case solution(path: Int, label: Int)
  }

  /// - Throws: ``DatasetError``.
  init(_ bytes: [UInt8], separator: Unicode.Scalar, path: String) throws(DatasetError) {
    (entries, labelProblem) = try readingDataset(path) {
      var columns: Columns?
      var problem: String?
      var width = 0
      var entries: [PathList.Entry] = []
      try forEachRow(of: try tableText(bytes), separator: separator) { line, row in
        let row = row.map { trimmed($0) }
        guard let known = columns else {
          width = row.count
          if let named = Self.columns(row) {
            columns = named
            problem = Self.labelProblem(row, named)
            return
          }
          guard hasImageExtension(row[0]), row.count <= 2 else {
            throw TableError(line: line, detail: Self.unknown(row))
          }
          columns = .positions(path: 0, label: row.count > 1 ? 1 : nil)
          entries.append(try Self.entry(row, .positions(path: 0, label: row.count > 1 ? 1 : nil), line))
          return
        }
        guard row.count == width else {
          throw TableError(line: line, detail: "has \(row.count) fields, and the first row has \(width)")
        }
        entries.append(try Self.entry(row, known, line))
      }
      return (entries, problem)
    }
  }

  private static func columns(_ row: [String]) -> Columns? {
    let names = row.map { $0.lowercased() }
    if let path = names.firstIndex(of: "imageid"), let label = names.firstIndex(of: "predictionstring") {
      return .solution(path: path, label: label)
    }
    guard let path = pathColumns.lazy.compactMap({ names.firstIndex(of: $0) }).first else { return nil }
    return .positions(path: path, label: labelColumns.lazy.compactMap { names.firstIndex(of: $0) }.first)
  }

  private static func labelProblem(_ row: [String], _ columns: Columns) -> String? {
    guard case .positions(_, nil) = columns, row.count > 1 else { return nil }
    return "its columns are \(row.prefix(8).joined(separator: ", ")); call that of the labels label or class"
  }

  private static func unknown(_ row: [String]) -> String {
    "the columns are \(row.prefix(8).joined(separator: ", ")); call the one with the images' paths path, image, filename "
      + "or file, and one with their classes label or class"
  }

  private static func entry(
    _ row: [String], _ columns: Columns, _ line: Int
  ) throws(TableError) -> PathList.Entry {
    let path: String
    var label: String?
    switch columns {
    case .positions(let pathColumn, let labelColumn):
      path = row[pathColumn]
      label = labelColumn.map { row[$0] }
    case .solution(let pathColumn, let labelColumn):
      path = row[pathColumn] + (hasImageExtension(row[pathColumn]) ? "" : ".JPEG")
      label = row[labelColumn].split(separator: " ").first.map(String.init)
    }
    guard !path.isEmpty else { throw TableError(line: line, detail: "has no path") }
    return PathList.Entry(path: path, label: label?.isEmpty == true ? nil : label, line: line)
  }
}

private func trimmed(_ text: String) -> String {
  guard let first = text.utf8.first, let last = text.utf8.last, first <= 32 || last <= 32 else { return text }
  return text.trimmingCharacters(in: .whitespaces)
}
