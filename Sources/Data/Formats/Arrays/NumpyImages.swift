import Files

/// A `.npz` file with images and labels of both parts: MedMNIST's `train_images`, `train_labels`, … or Keras's `x_train`,
/// `y_train`, ….
struct NumpyImages: DatasetFormat {
  let name = "numpy arrays"
  let evidence = "numpy arrays"

  /// The names of a part's images and labels.
  private struct Names {
    var images: String
    var labels: String

    static func all(_ split: DatasetSplit) -> [Names] {
      [
        Names(images: "\(split.rawValue)_images", labels: "\(split.rawValue)_labels"),
        Names(images: "x_\(split.rawValue)", labels: "y_\(split.rawValue)"),
      ]
    }
  }

  init?(_ location: DatasetLocation) {
    guard location.kind == .file, location.path.lowercased().hasSuffix(".npz") else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    try open(location.path, options.split, ArrayLimits())
  }

  func open(_ path: String, _ split: DatasetSplit, _ limits: ArrayLimits) throws(DatasetError) -> Dataset {
    try readingDataset(path) {
      let archive = try NumpyArchive(FileReader(path), limits: limits)
      let present = archive.names
      guard let names = Names.all(split).first(where: { present.contains($0.images) }) else {
        let isOther = DatasetSplit.allCases.flatMap(Names.all).contains { present.contains($0.images) }
        throw isOther
          ? DatasetError.missingSplit(path: path, split: split, files: Names.all(split).map(\.images))
          : .badFile(
            reason:
              "\(path) holds \(present.isEmpty ? "no array" : present.prefix(6).joined(separator: ", ")); "
              + "train_images and train_labels are read, and test_images and test_labels, or x_train, y_train and so on"
          )
      }
      guard let data = try archive.array(names.images) else { throw DatasetError.emptyList(path: path) }
      let images = try ImageArray(numpy: data, path: path)
      let (labels, kind) = try Self.labels(archive, names.labels, images: images.count, path)
      let classes = labels.isEmpty ? 0 : try Self.classCount(archive, of: labels)
      return Dataset(
        ArraySamples([.init(name: names.images, images: images, labels: labels)]), format: name + kind,
        split: split,
        classNames: (0..<classes).map(String.init))
    }
  }

  /// Of N images or N×1; none where there is no array of this name or each image has several.
  private static func labels(
    _ archive: NumpyArchive, _ name: String, images: Int, _ path: String
  ) throws -> (labels: [Int32], kind: String) {
    guard let array = try archive.array(name) else { return ([], "") }
    guard array.shape.first == images else {
      throw DatasetError.labelCount(path: "\(path), \(name),", labels: array.shape.first ?? 0, images: images)
    }
    guard array.count == images else {
      let each = array.shape.dropFirst().map(String.init).joined(separator: " x ")
      return ([], " (\(each) labels an image, so no class)")
    }
    guard let values = try array.wholeNumbers(),
      values.allSatisfy({ (0..<LabelNumbers.limit).contains($0) })
    else {
      throw DatasetError.badFile(
        reason: "\(path): \(name) holds other values than the whole numbers 0...\(LabelNumbers.limit - 1)")
    }
    return (values.map { Int32($0) }, "")
  }

  /// One more than the largest label of all parts, so that they have the same classes.
  private static func classCount(_ archive: NumpyArchive, of labels: [Int32]) throws -> Int {
    var largest = Int(labels.max() ?? 0)
    for name in DatasetSplit.allCases.flatMap(Names.all).map(\.labels) + ["val_labels"]
    where archive.names.contains(name) {
      let values = try archive.array(name)?.wholeNumbers() ?? []
      largest = max(largest, min(values.max() ?? 0, LabelNumbers.limit - 1))
    }
    return largest + 1
  }
}
