import Files

/// A folder with the python version of CIFAR-10 or CIFAR-100: pickles of numpy arrays, which are read and not run.
struct CIFARPickles: DatasetFormat {
  var name: String { variant.rawValue + " python" }
  var evidence: String { "CIFAR files (\(names(.train).first ?? names(.test).first ?? ""))" }
  private let files: [String]
  private let variant: CIFARBatch.Variant

  init?(_ location: DatasetLocation) {
    self.init(files: location.files)
    let first = names(.train).first ?? names(.test).first ?? ""
    // "train" and "meta" may be anything; a pickle begins with 0x80.
    guard let reader = try? FileReader("\(location.path)/\(first)"), reader.count > 0,
      (try? reader.bytes(0..<1)) == [0x80]
    else { return nil }
  }

  init?(files: [String]) {
    self.files = files
    let batches = Self.names(.cifar10, .train, files) + Self.names(.cifar10, .test, files)
    if !batches.isEmpty {
      variant = .cifar10
    } else if files.contains("meta"), files.contains("train") || files.contains("test") {
      variant = .cifar100
    } else {
      return nil
    }
  }

  private func names(_ split: DatasetSplit) -> [String] { Self.names(variant, split, files) }

  private static func names(
    _ variant: CIFARBatch.Variant, _ split: DatasetSplit, _ files: [String]
  ) -> [String] {
    switch (variant, split) {
    case (.cifar10, .train):
      files.filter { $0.hasPrefix("data_batch_") && Int($0.dropFirst("data_batch_".count)) != nil }
    case (.cifar10, .test): files.filter { $0 == "test_batch" }
    case (.cifar100, _): files.filter { $0 == split.rawValue }
    }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    try open(location.path, options.split) { name in
      try PickledDictionary(FileReader("\(location.path)/\(name)"))
    }
  }

  /// - Parameters:
  ///   - path: For errors.
  ///   - read: Reads one of the files.
  func open(
    _ path: String, _ split: DatasetSplit, _ read: (String) throws -> PickledDictionary
  ) throws(DatasetError) -> Dataset {
    guard !names(split).isEmpty else {
      let expected =
        switch (variant, split) {
        case (.cifar10, .train): "data_batch_1 to data_batch_5"
        case (.cifar10, .test): "test_batch"
        case (.cifar100, _): split.rawValue
        }
      throw .missingSplit(path: path, split: split, files: [expected])
    }
    var parts: [ArraySamples.Part] = []
    for file in names(split) {
      let place = "\(path)/\(file)"
      parts.append(try readingDataset(place) { try part(file, place, read(file)) })
    }
    return Dataset(
      ArraySamples(parts), format: name, split: split, classNames: try classNames(path, read),
      leftOut: variant == .cifar10 && split == .train
        ? LeftOut(missing: CIFARBatch.missing(among: names(split))) : LeftOut())
  }

  private func part(_ file: String, _ path: String, _ batch: PickledDictionary) throws -> ArraySamples.Part {
    func refuse(_ what: String) -> DatasetError {
      .badFile(reason: "\(path) is no batch of \(variant.rawValue): \(what)")
    }
    guard let data = try batch.array("data") else {
      throw refuse("it has no array `data`, only \(batch.names.prefix(5).joined(separator: ", "))")
    }
    let (side, bytes) = (CIFARBatch.side, CIFARBatch.pictureBytes)
    guard data.type == .uint8, data.shape.count == 2, data.shape[1] == bytes, !data.isColumnMajor else {
      throw refuse("its data are \(data.type) of the shape \(text(data.shape)), not uint8 of (N, \(bytes))")
    }
    let key = variant == .cifar10 ? "labels" : "fine_labels"
    guard let labels = try batch.numbers(key) else { throw refuse("it has no list `\(key)`") }
    guard labels.count == data.shape[0] else {
      throw DatasetError.labelCount(path: path, labels: labels.count, images: data.shape[0])
    }
    if let image = labels.firstIndex(where: { !(0..<variant.classCount).contains($0) }) {
      throw refuse("image \(image) has the label \(labels[image])")
    }
    // The red plane first.
    let images = ImageArray(
      count: data.shape[0], width: side, height: side, channels: 3,
      steps: .init(row: side, column: 1, channel: side * side), storage: data.storage)
    return .init(name: file, images: images, labels: labels.map { Int32($0) })
  }

  /// From the file that comes with the data set, if it is there and whole; else numbers.
  private func classNames(
    _ path: String, _ read: (String) throws -> PickledDictionary
  ) throws(DatasetError) -> [String] {
    let file = variant == .cifar10 ? "batches.meta" : "meta"
    let key = variant == .cifar10 ? "label_names" : "fine_label_names"
    let numbers = (0..<variant.classCount).map(String.init)
    guard files.contains(file) else { return numbers }
    let names = try readingDataset("\(path)/\(file)") { try read(file).texts(key) } ?? []
    return names.count == variant.classCount ? names : numbers
  }
}
