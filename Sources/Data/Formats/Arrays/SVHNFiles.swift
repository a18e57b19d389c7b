import Files

/// SVHN's cropped digits: `train_32x32.mat`, `test_32x32.mat` and `extra_32x32.mat`, MATLAB files with X, 32 x 32 x 3 x N
/// bytes, and y, where 10 stands for the digit 0 (Netzer et al. 2011; the data set's page). A folder of them, or one of
/// them.
struct SVHNFiles: DatasetFormat {
  let name = "SVHN cropped digits"
  var evidence: String { "SVHN files (\(files.first { $0.hasSuffix(Self.ending) } ?? ""))" }
  private let files: [String]

  private static let ending = "_32x32.mat"

  init?(_ location: DatasetLocation) {
    switch location.kind {
    case .folder: files = location.files.filter { $0.hasSuffix(Self.ending) }
    case .file where location.path.lowercased().hasSuffix(".mat"): files = [location.path.lastPathPart]
    default: return nil
    }
    if files.isEmpty { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    guard case .folder = location.kind else { return try open(location.path, split: nil, ArrayLimits()) }
    let file = options.split.rawValue + Self.ending
    guard files.contains(file) else {
      throw .missingSplit(path: location.path, split: options.split, files: [file])
    }
    return try open(joined(location.path, file), split: options.split, ArrayLimits())
  }

  func open(_ path: String, split: DatasetSplit?, _ limits: ArrayLimits) throws(DatasetError) -> Dataset {
    try readingDataset(path) {
      let file = try MatFile(FileReader(path), limits: limits)
      guard let data = try file.array("X"), let digits = try file.array("y") else {
        let names = file.variables.map(\.name)
        throw DatasetError.badFile(
          reason:
            "\(path) holds \(names.isEmpty ? "no variable" : names.prefix(6).joined(separator: ", ")); of MATLAB's "
            + "files only SVHN's cropped digits are read, with X and y")
      }
      let shape = data.shape
      guard data.type == .uint8, shape.count == 4, shape[2] == 3,
        shape[..<2].allSatisfy({ (1...ImageArray.largestSide).contains($0) })
      else {
        throw DatasetError.badFile(
          reason:
            "\(path): X is \(data.type) of the shape \(text(shape)), not uint8 of height x width x 3 x N")
      }
      let (height, width, count) = (shape[0], shape[1], shape[3])
      // MATLAB's order: the first index moves fastest.
      let images = ImageArray(
        count: count, width: width, height: height, channels: 3,
        steps: .init(row: 1, column: height, channel: height * width), storage: data.storage)
      let labels = try Self.labels(digits, images: count, path)
      let part = ArraySamples.Part(name: path.lastPathPart, images: images, labels: labels)
      return Dataset(
        ArraySamples([part]), format: name, split: split, classNames: (0...9).map(String.init))
    }
  }

  private static func labels(_ digits: NumberArray, images: Int, _ path: String) throws -> [Int32] {
    guard digits.count == images else {
      throw DatasetError.labelCount(path: path, labels: digits.count, images: images)
    }
    guard let values = try digits.wholeNumbers() else {
      throw DatasetError.badFile(reason: "\(path): y holds numbers that are not whole")
    }
    if let image = values.firstIndex(where: { !(0...10).contains($0) }) {
      throw DatasetError.badFile(
        reason:
          "\(path): image \(image) has the label \(values[image]), and SVHN has 1 to 9 and 10 for the digit 0"
      )
    }
    return values.map { Int32($0 % 10) }
  }
}
