import Foundation

/// A folder with files of the MNIST family.
struct IDXFolder {
  private var files: [String]

  init?(_ listing: FolderListing) {
    files = listing.files
    guard DatasetSplit.allCases.contains(where: { find("images", 3, $0) != nil }) else { return nil }
  }

  var example: String { DatasetSplit.allCases.lazy.compactMap { find("images", 3, $0) }.first ?? "" }

  /// The plain file where there is one, else the packed one.
  private func find(_ what: String, _ rank: Int, _ split: DatasetSplit) -> String? {
    Self.names(what, rank, split).first { files.contains($0) }
  }

  private static func names(_ what: String, _ rank: Int, _ split: DatasetSplit) -> [String] {
    let stems = split == .train ? ["train"] : ["t10k", "test"]
    return ["", ".gz"].flatMap { packed in
      stems.flatMap { stem in ["-", "."].map { "\(stem)-\(what)\($0)idx\(rank)-ubyte\(packed)" } }
    }
  }

  func open(_ folder: String, _ split: DatasetSplit) throws(DatasetError) -> Dataset {
    guard let name = find("images", 3, split) else {
      throw .missingSplit(path: folder, split: split, files: [Self.names("images", 3, split)[0] + "[.gz]"])
    }
    guard case .images(let images) = try Self.read(folder, name) else {
      throw .badFile(reason: "\(folder)/\(name): holds labels where images belong; fetch or copy it again")
    }
    var labels: [UInt8] = []
    if let labelName = find("labels", 1, split) {
      guard case .labels(let read) = try Self.read(folder, labelName) else {
        throw .badFile(
          reason: "\(folder)/\(labelName): holds images where labels belong; fetch or copy it again")
      }
      guard read.count == images.count else {
        throw .labelCount(path: "\(folder)/\(labelName)", labels: read.count, images: images.count)
      }
      labels = read
    }
    return Dataset(
      IDXSamples(file: name, images: images, labels: labels), format: .idx, split: split,
      classNames: labels.max().map { (0...Int($0)).map(String.init) } ?? [])
  }

  private static func read(_ folder: String, _ name: String) throws(DatasetError) -> IDXFile {
    do { return try IDXFile(contentsOf: "\(folder)/\(name)") } catch { throw .badFile(reason: "\(error)") }
  }
}

/// A folder with the binary version of CIFAR-10 or CIFAR-100.
struct CIFARFolder {
  private var files: [String]
  private var variant: CIFARBatch.Variant

  init?(_ listing: FolderListing) {
    files = listing.files
    variant = .cifar10
    if names(.train).isEmpty, names(.test).isEmpty {
      variant = .cifar100
      if names(.train).isEmpty, names(.test).isEmpty { return nil }
    }
  }

  var example: String { (names(.train) + names(.test)).first ?? "" }

  private func names(_ split: DatasetSplit) -> [String] {
    switch (variant, split) {
    case (.cifar10, .train): files.filter { $0.hasPrefix("data_batch_") && $0.hasSuffix(".bin") }
    case (.cifar10, .test): files.filter { $0 == "test_batch.bin" }
    case (.cifar100, .train): files.filter { $0 == "train.bin" }
    case (.cifar100, .test): files.filter { $0 == "test.bin" }
    }
  }

  func open(_ folder: String, _ split: DatasetSplit) throws(DatasetError) -> Dataset {
    let names = names(split)
    guard !names.isEmpty else {
      let expected =
        switch (variant, split) {
        case (.cifar10, .train): "data_batch_1.bin to data_batch_5.bin"
        case (.cifar10, .test): "test_batch.bin"
        case (.cifar100, _): "\(split.rawValue).bin"
        }
      throw .missingSplit(path: folder, split: split, files: [expected])
    }
    var batches: [CIFARBatch] = []
    for name in names {
      do { batches.append(try CIFARBatch(contentsOf: "\(folder)/\(name)", variant: variant)) } catch {
        throw .badFile(reason: "\(error)")
      }
    }
    return Dataset(
      CIFARSamples(files: names, batches: batches), format: variant == .cifar10 ? .cifar10 : .cifar100,
      split: split, classNames: classNames(folder))
  }

  /// From the file that the data set brings along, if it is whole; else numbers.
  private func classNames(_ folder: String) -> [String] {
    let file = variant == .cifar10 ? "batches.meta.txt" : "fine_label_names.txt"
    let text = FileManager.default.contents(atPath: "\(folder)/\(file)").map {
      String(decoding: $0, as: UTF8.self)
    }
    let names = (text ?? "").split(whereSeparator: \.isNewline).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    .filter { !$0.isEmpty }
    return names.count == variant.classCount ? names : (0..<variant.classCount).map(String.init)
  }
}
