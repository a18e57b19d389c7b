import Files
import Foundation
import Images

/// A list of images with or without labels: a `.txt` of lines (see ``PathList``), or a `.csv` or `.tsv` table (see
/// ``ListTable``). Paths start from the list's folder, or from the root behind an @: see ``ListLocation``.
///
/// Labels are whole numbers or names. Where ImageNet's `synsets.txt`, a class a line, lies beside the list, numbers are
/// these classes, counted from 0.
struct ListFile: DatasetFormat {
  let name = "list"
  let evidence = "a list"
  private let place: ListLocation

  private static let limit = 1 << 30

  init?(_ location: DatasetLocation) {
    guard location.kind == .file || location.kind == nil, let place = ListLocation(location.path) else {
      return nil
    }
    self.place = place
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    let path = place.list
    let bytes = try readingDataset(path) { try readFile(path, limit: Self.limit) }
    var entries: [PathList.Entry]
    var labelProblem: String?
    if let separator = place.separator {
      let table = try ListTable(bytes, separator: separator, path: path)
      (entries, labelProblem) = (table.entries, table.labelProblem)
    } else {
      let root = place.folder
      entries = try readingDataset(path) {
        try PathList(bytes) {
          hasImageExtension($0)
        } isThere: {
          FileKind(FilePath(root, $0)) != nil
        }
      }.entries
    }
    guard !entries.isEmpty else { throw .emptyList(path: path) }
    if isLabelsOnly(entries) { return try openLabels(entries, options) }
    entries.sort { $0.path.precedesInBytes($1.path) }
    let numbers = try numbers(of: entries)
    let classNames = try namedClasses(numbers)
    return Dataset(
      try images(entries.map(\.path), numbers.labels, options), format: name, classNames: classNames,
      decoder: options.decoder, labelProblem: labelProblem)
  }

  private func numbers(of entries: [PathList.Entry]) throws(DatasetError) -> LabelNumbers {
    // Errors name the first line of the list, whatever the order of the paths.
    let inLines = entries.indices.sorted { entries[$0].line < entries[$1].line }
    do throws(TableError) {
      let numbers = try LabelNumbers(inLines.map { (entries[$0].label, entries[$0].line) })
      guard !numbers.labels.isEmpty else { return numbers }
      var labels = numbers.labels
      for (place, index) in inLines.enumerated() { labels[index] = numbers.labels[place] }
      return LabelNumbers(labels: labels, classNames: numbers.classNames)
    } catch {
      throw DatasetError(of: place.list, error)
    }
  }

  /// The images in the root, which is a folder or an archive.
  private func images(
    _ paths: [String], _ labels: [Int32], _ options: OpeningOptions
  ) throws(DatasetError) -> any SampleSource {
    let limit = options.decoder.limits.maxFileBytes
    guard let root = place.root, let archive = try place.archive(limit: limit) else {
      return ImageFiles(root: place.folder, paths: paths, labels: labels, maxFileBytes: limit)
    }
    let members = Dictionary(zip(archive.names, archive.names.indices)) { first, _ in first }
    var found: [Int] = []
    for path in paths {
      guard let member = members[path] else {
        throw .badFile(
          reason: "\(place.list) names \(path), which is not in \(root); names there are like "
            + "\(archive.names.first ?? "")")
      }
      found.append(member)
    }
    return ArchivedImages(archive: archive, members: found, labels: labels, maxFileBytes: limit)
  }

  /// The names of the numbers' classes where a file beside the list has them.
  private func namedClasses(_ numbers: LabelNumbers) throws(DatasetError) -> [String] {
    guard !numbers.labels.isEmpty, numbers.classNames == (0..<numbers.classNames.count).map(String.init)
    else {
      return numbers.classNames
    }
    let path = joined(place.list.parentFolder, "synsets.txt")
    guard place.list.lastPathPart != "synsets.txt", case .file = FileKind(path) else {
      return numbers.classNames
    }
    let bytes = try readingDataset(path) { try readFile(path, limit: 64 << 20) }
    let names = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    // A file of other classes.
    guard Set(names).count == names.count, names.count >= numbers.classNames.count else {
      return numbers.classNames
    }
    return names
  }
}

// MARK: - Labels without names

extension ListFile {
  /// Whether each line is a number alone, as in `ILSVRC2012_validation_ground_truth.txt`.
  private func isLabelsOnly(_ entries: [PathList.Entry]) -> Bool {
    guard place.separator == nil, entries.allSatisfy({ $0.label == nil && Int($0.path) != nil }) else {
      return false
    }
    // Numbers may also be the names of files.
    return FileKind(FilePath(place.folder, entries[0].path)) == nil
  }

  /// The labels of the root's images in byte order of their names.
  private func openLabels(
    _ entries: [PathList.Entry], _ options: OpeningOptions
  ) throws(DatasetError) -> Dataset {
    let path = place.list
    guard let root = place.root else {
      throw .badFile(
        reason:
          "\(path) holds labels without the names of their images; give the folder or archive of the images too, "
          + "as \(path)@FOLDER")
    }
    let limit = options.decoder.limits.maxFileBytes
    let archive = try place.archive(limit: limit)
    let names = if let archive { archive.names } else { try FolderListing(root).sorted().images }
    guard names.count == entries.count else {
      throw .labelCount(path: path, labels: entries.count, images: names.count)
    }
    let sorted = names.indices.sorted { names[$0].precedesInBytes(names[$1]) }
    let labelled = entries.map { PathList.Entry(path: $0.path, label: $0.path, line: $0.line) }
    let numbers = try numbers(of: labelled)
    let named = try ILSVRCDevkit(list: path)?.named(numbers) ?? numbers
    let classNames = try namedClasses(named)
    let images: any SampleSource =
      if let archive {
        ArchivedImages(archive: archive, members: sorted, labels: named.labels, maxFileBytes: limit)
      } else {
        ImageFiles(root: root, paths: sorted.map { names[$0] }, labels: named.labels, maxFileBytes: limit)
      }
    return Dataset(images, format: name, classNames: classNames, decoder: options.decoder)
  }
}

/// The development kit of ILSVRC2012, whose list of the validation images' labels has numbers of its own: 1 to 1000 in
/// the order of its `meta.mat`, which is not that of the classes' names.
struct ILSVRCDevkit {
  private let list: String

  init?(list: String) {
    guard list.lastPathPart == "ILSVRC2012_validation_ground_truth.txt" else { return nil }
    self.list = list
  }

  /// The labels as numbers of the sorted WordNet names, if `meta.mat` lies beside the list; else classes that are named
  /// by the list's own numbers.
  ///
  /// - Throws: ``DatasetError``.
  func named(_ numbers: LabelNumbers) throws(DatasetError) -> LabelNumbers {
    let path = joined(list.parentFolder, "meta.mat")
    guard case .file = FileKind(path) else {
      return LabelNumbers(
        labels: numbers.labels, classNames: numbers.classNames.map { "ILSVRC2012 ID \($0)" })
    }
    var nameOf: [Int: String] = [:]
    for synset in try readingDataset(path, { try MatFile(FileReader(path)).structures("synsets") }) ?? [] {
      guard case .text(let name) = synset["WNID"], case .numbers(let id) = synset["ILSVRC2012_ID"],
        case .numbers(let children) = synset["num_children"], let number = id.first
      else { continue }
      if children == [0] { nameOf[number] = name }
    }
    let classNames = Set(nameOf.values).sorted { $0.precedesInBytes($1) }
    let place = Dictionary(uniqueKeysWithValues: zip(classNames, Int32(0)...))
    var labels: [Int32] = []
    for label in numbers.labels {
      guard let name = nameOf[Int(label)], let number = place[name] else {
        throw .badFile(reason: "\(path) has no class of the number \(label), which \(list) names")
      }
      labels.append(number)
    }
    return LabelNumbers(labels: labels, classNames: classNames)
  }
}
