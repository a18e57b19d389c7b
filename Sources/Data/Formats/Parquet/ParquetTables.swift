import Files
import Foundation
import Images

/// Parquet files as Hugging Face's datasets writes them: images as files in a column `image` of {bytes, path}, and their
/// classes in an integer column. A file, a folder of files, or one with them in `data/`; the files of a part begin with
/// its name, as `train-00000-of-00004.parquet`.
struct ParquetTables: DatasetFormat {
  let name = "Parquet"
  var evidence: String { "Parquet files (\(files.first ?? ""))" }
  let claimed: Set<String>
  private let files: [String]

  private static let ending = ".parquet"

  init?(_ location: DatasetLocation) throws(DatasetError) {
    switch location.kind {
    case .file where location.path.lowercased().hasSuffix(Self.ending):
      (files, claimed) = ([location.path.lastPathPart], [])
    case .folder:
      // metadata.parquet describes the images that it lies beside: datasets' imagefolder.
      let here = location.files.filter { $0.hasSuffix(Self.ending) && $0 != "metadata.parquet" }
      if here.isEmpty, location.folders.contains("data") {
        files = try FolderListing(location.path + "/data").files.filter { $0.hasSuffix(Self.ending) }
          .map { "data/" + $0 }
        claimed = ["data"]
      } else {
        (files, claimed) = (here, [])
      }
    default: return nil
    }
    if files.isEmpty { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    guard case .folder = location.kind else {
      return try open([location.path], split: nil, options)
    }
    let (chosen, split) = try chosen(options.split, location.path)
    return try open(chosen.map { joined(location.path, $0) }, split: split, options)
  }

  /// All files, unless they are of parts.
  private func chosen(
    _ split: DatasetSplit, _ path: String
  ) throws(DatasetError) -> ([String], DatasetSplit?) {
    func isOf(_ part: String, _ file: String) -> Bool {
      let name = file.lastPathPart
      return name.hasPrefix(part + "-") || name.hasPrefix(part + ".") || name.hasPrefix(part + "_")
    }
    guard files.contains(where: { file in DatasetSplit.allNames.contains { isOf($0, file) } }) else {
      return (files, nil)
    }
    for part in split.names {
      let found = files.filter { isOf(part, $0) }
      if !found.isEmpty { return (found, split) }
    }
    throw .missingSplit(path: path, split: split, files: split.names.map { $0 + "-….parquet" })
  }

  private func open(
    _ paths: [String], split: DatasetSplit?, _ options: OpeningOptions
  ) throws(DatasetError) -> Dataset {
    var files: [(file: ParquetFile, columns: ParquetColumns)] = []
    for path in paths {
      let file = try ParquetFile(path)
      files.append((file, try ParquetColumns(file)))
    }
    let labels = try ParquetLabels(files)
    let images = ParquetImages(
      files.map { .init(file: $0.file, image: $0.columns.image) }, labels: labels.numbers,
      maxFileBytes: options.decoder.limits.maxFileBytes)
    try images.checkFirst()
    return Dataset(
      images, format: name + labels.note, split: split, classNames: labels.classNames,
      decoder: options.decoder)
  }
}

/// The classes of all rows of several files.
private struct ParquetLabels {
  /// One for each row, or empty.
  var numbers: [Int32] = []
  var classNames: [String] = []
  /// Why there are none although a column is there; empty otherwise.
  var note = ""

  init(_ files: [(file: ParquetFile, columns: ParquetColumns)]) throws(DatasetError) {
    var labels: [(label: String?, line: Int)] = []
    for (file, columns) in files {
      guard let column = columns.label else { return }
      guard let found = try Self.labels(file, column) else {
        note = " (rows without \(column.name), so no classes)"
        return
      }
      for label in found { labels.append((label: label, line: labels.count + 1)) }
    }
    // The parts of a challenge that have no labels have -1 in their place.
    if labels.allSatisfy({ $0.label == "-1" }) { return }
    let path = files[0].file.path
    do throws(TableError) {
      let found = try LabelNumbers(labels)
      (numbers, classNames) = (found.labels, found.classNames)
    } catch {
      throw .badFile(reason: "\(path): row \(error.line) of the labels \(error.detail)")
    }
    let names = files[0].columns.classNames
    guard !names.isEmpty, files[0].columns.label?.kind == .integer else { return }
    if let other = files.first(where: { $0.columns.classNames != names }) {
      throw .badFile(reason: "\(path) and \(other.file.path) name other classes; give files of one set")
    }
    guard classNames.count <= names.count else {
      throw .badFile(
        reason:
          "\(path) has the label \(classNames.count - 1), and names \(names.count) classes; fetch it again")
    }
    classNames = names
  }

  private static func labels(
    _ file: ParquetFile, _ column: ParquetFile.Column
  ) throws(DatasetError) -> [String]? {
    if column.kind == .integer { return try file.numbers(column)?.map(String.init) }
    var all: [String] = []
    for group in file.rows.indices {
      let values = try file.bytes(column, group: group)
      for row in 0..<values.count {
        guard let text = values.withBytes(row, { String(decoding: $0, as: UTF8.self) }) else { return nil }
        all.append(text)
      }
    }
    return all
  }
}
