import Files
import Foundation

/// STL-10's binary files: 96 x 96 pictures, plane after plane and in each column after column, with labels 1 to 10 in a
/// file beside them (Coates, Ng and Lee 2011; the data set's page). A folder of them, or the pictures' file itself, as
/// `unlabeled_X.bin`, whose pictures have no labels.
struct STL10Binaries: DatasetFormat {
  let name = "STL-10 binary"
  var evidence: String { "STL-10 files (\(files.first { Self.images.contains($0) } ?? ""))" }
  private let files: [String]

  private static let images = ["train_X.bin", "test_X.bin", "unlabeled_X.bin"]
  private static let side = 96
  private static let pictureBytes = 3 * side * side
  private static let classCount = 10

  init?(_ location: DatasetLocation) {
    switch location.kind {
    case .folder: files = location.files
    case .file: files = [location.path.lastPathPart]
    case .other, nil: return nil
    }
    if !files.contains(where: Self.images.contains) { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    guard case .folder = location.kind else {
      return try open(location.path.parentFolder, location.path.lastPathPart, split: nil)
    }
    let file = "\(options.split.rawValue)_X.bin"
    guard files.contains(file) else {
      if files.contains("unlabeled_X.bin"), options.split == .train {
        throw .badFile(
          reason: "\(location.path) has no train_X.bin; for the images without labels give "
            + "\(location.path)/unlabeled_X.bin")
      }
      throw .missingSplit(path: location.path, split: options.split, files: [file])
    }
    return try open(location.path, file, split: options.split)
  }

  private func open(_ folder: String, _ file: String, split: DatasetSplit?) throws(DatasetError) -> Dataset {
    let path = joined(folder, file)
    let reader = try readingDataset(path) { try FileReader(path) }
    guard reader.count > 0, reader.count.isMultiple(of: Self.pictureBytes) else {
      throw .badFile(
        reason:
          "\(path): \(reader.count) bytes are not a whole number of STL-10's pictures of \(Self.pictureBytes) "
          + "bytes; fetch or unpack the file again")
    }
    // Columns first: the next byte is the pixel below.
    let images = ImageArray(
      count: reader.count / Self.pictureBytes, width: Self.side, height: Self.side, channels: 3,
      steps: .init(row: 1, column: Self.side, channel: Self.side * Self.side), storage: .file(reader, 0))
    let labels = try labels(joined(folder, file.replacing("_X.bin", with: "_y.bin")), images: images.count)
    return Dataset(
      ArraySamples([.init(name: file, images: images, labels: labels)]), format: name, split: split,
      classNames: labels.isEmpty ? [] : classNames(folder))
  }

  /// 0 to 9; empty where there is no such file.
  private func labels(_ path: String, images: Int) throws(DatasetError) -> [Int32] {
    guard case .file = FileKind(path) else { return [] }
    let bytes = try readingDataset(path) {
      let reader = try FileReader(path)
      guard reader.count == images else {
        throw DatasetError.labelCount(path: path, labels: reader.count, images: images)
      }
      return try reader.bytes(0..<images)
    }
    if let image = bytes.firstIndex(where: { !(1...UInt8(Self.classCount)).contains($0) }) {
      throw .badFile(reason: "\(path): image \(image) has the label \(bytes[image]), and STL-10 has 1 to 10")
    }
    return bytes.map { Int32($0) - 1 }
  }

  /// From the file that comes with the data set, if it is whole; else numbers.
  private func classNames(_ folder: String) -> [String] {
    let text = (try? CIFARBatch.contents(of: joined(folder, "class_names.txt"), limit: 1 << 16)) ?? Data()
    let names = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    return names.count == Self.classCount ? names : (1...Self.classCount).map(String.init)
  }
}
