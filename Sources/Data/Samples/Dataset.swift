import Files
import Images

/// Which part of a data set that is published in two parts. Folders and lists have no parts: one names the part.
public enum DatasetSplit: String, Codable, Sendable, CaseIterable {
  case train, test
}

/// Numbered images with names and perhaps labels. Everything but the pixels is known once it is open.
public struct Dataset: Sendable {
  /// What was recognised.
  public enum Format: String, Sendable, Equatable {
    case classFolders = "class folders"
    case flatFolder = "folder of images"
    case list = "list"
    case shards = "tar shards"
    case idx = "IDX (MNIST family)"
    case cifar10 = "CIFAR-10 binary"
    case cifar100 = "CIFAR-100 binary"

    /// Whether train and test lie side by side in the same folder.
    public var hasSplits: Bool { self == .idx || self == .cifar10 || self == .cifar100 }
  }

  public let format: Format
  /// The part that was opened, where the format has parts.
  public let split: DatasetSplit?
  /// Empty without labels; otherwise a label is an index into it.
  public let classNames: [String]
  let samples: any SampleSource
  let decoder: ImageDecoder
  /// What is in the shards; decides the order of training, also where they are cached.
  public let shards: ShardIndex?

  init(
    _ samples: any SampleSource, format: Format, split: DatasetSplit? = nil, classNames: [String] = [],
    decoder: ImageDecoder = ImageDecoder(), shards: ShardIndex? = nil
  ) {
    self.samples = samples
    self.decoder = decoder
    self.shards = shards
    self.format = format
    self.split = split
    self.classNames = classNames
  }

  public var count: Int { samples.count }
  public var isLabeled: Bool { !classNames.isEmpty }
  /// An index into ``classNames``; nil without labels.
  public func label(_ index: Int) -> Int? { isLabeled ? samples.label(index) : nil }
  /// The file's path, relative to what was opened; for packed formats the file and the image's number in it.
  public func name(_ index: Int) -> String { samples.name(index) }
  /// Reads and decodes; may be called from any number of threads at once.
  public func image(_ index: Int) throws -> RGBImage {
    let scratch = DecodeScratch()
    return try withExtendedLifetime(scratch) {
      try naming(index) {
        guard let file = try samples.file(index, using: scratch) else { return try samples.image(index) }
        return try decoder.decode(file)
      }
    }
  }

  /// Reads an image and decodes at least the region that `region` asks for, given the width and height. Any number
  /// of threads may do so at once, each with a scratch of its own.
  package func withPixels<Result>(
    _ index: Int, using scratch: DecodeScratch, region: (Int, Int) -> PixelRegion,
    _ body: (borrowing DecodedPixels) throws -> Result
  ) throws -> Result {
    try withPixels(
      index, of: { try samples.file(index, using: scratch) }, using: scratch, region: region, body)
  }

  /// The same for a sample whose file comes from elsewhere.
  package func withPixels<Result>(
    _ index: Int, of file: () throws -> UnsafeRawBufferPointer?, using scratch: DecodeScratch,
    region: (Int, Int) -> PixelRegion, _ body: (borrowing DecodedPixels) throws -> Result
  ) throws -> Result {
    try naming(index) {
      if let file = try file() {
        return try decoder.withPixels(of: file, using: scratch, region: region, body)
      }
      let image = try samples.image(index)
      _ = region(image.width, image.height)
      return try image.withPixels(body)
    }
  }

  /// Says in an error which image it is about.
  private func naming<Result>(_ index: Int, _ work: () throws -> Result) throws -> Result {
    do { return try work() } catch let error as ImageError {
      throw ImageError.inFile(path: name(index), error.reason)
    }
  }

  /// One line for people: "60,000 images, 10 classes, IDX (MNIST family), train split".
  public var summary: String {
    let classes =
      classNames.isEmpty
      ? "no labels" : "\(grouped(classNames.count)) class\(classNames.count == 1 ? "" : "es")"
    let part = split.map { ", \($0.rawValue) split" } ?? ""
    return "\(grouped(count)) images, \(classes), \(format.rawValue)\(part)\(passedOver)"
  }

  /// How many of the first samples may stand in for a bad one. Shards are read in sequence, so there these are few.
  var substitutes: Int { shards == nil ? count : min(count, 64) }

  /// Members of shards that are no images and should not be there.
  private var passedOver: String {
    guard let skipped = shards?.skipped, !skipped.isEmpty else { return "" }
    let kinds = skipped.map { "\(grouped($0.value)) \($0.key.rawValue)" }.sorted().joined(separator: ", ")
    return "; members passed over: \(kinds)"
  }
}
