import Files
import Images

/// Which part of a data set that is published in two parts. Folders and lists have no parts: the path names the part.
public enum DatasetSplit: String, Codable, Sendable, CaseIterable {
  case train, test

  /// The names of its folders and files, the usual one first.
  var names: [String] {
    switch self {
    case .train: ["train", "training"]
    case .test: ["test", "testing", "val", "valid", "validation"]
    }
  }

  /// The names of all parts.
  static let allNames = Set(allCases.flatMap(\.names))
}

/// Numbered images with names and annotations. Everything but the pixels is known once it is open.
///
/// ```swift
/// let dataset = try Dataset.open("photos")  // photos/cat/1.jpg, photos/dog/2.jpg …
/// print(dataset.summary)  // 2 images, 2 classes, class folders
/// for index in 0..<dataset.count {
///   let image = try dataset.image(index)
///   print(dataset.name(index), dataset.label(index) ?? "", image.width, image.height)
/// }
/// ```
///
/// A network takes batches: see ``EvaluationImages`` and ``ViewPipeline``.
public struct Dataset: Sendable {
  /// The name of its format, such as "class folders".
  public let format: String
  /// The part that was opened, where the format has parts.
  public let split: DatasetSplit?
  /// Empty without classes; otherwise annotations hold indices into it.
  public let classNames: [String]
  /// Whether each image as a whole has a class.
  public let isLabeled: Bool
  package let samples: any SampleSource
  package let decoder: ImageDecoder
  /// The index of the shards; decides the order of training, also where images are cached.
  package let shards: ShardIndex?
  /// Files and folders beside the images that are not in the data set.
  public let leftOut: LeftOut
  /// Why there are no labels, as a sentence without its end; nil where there are some, or nothing to say.
  package let labelProblem: String?

  package init(
    _ samples: any SampleSource, format: String, split: DatasetSplit? = nil, classNames: [String] = [],
    decoder: ImageDecoder = ImageDecoder(), shards: ShardIndex? = nil, leftOut: LeftOut = LeftOut(),
    labelProblem: String? = nil
  ) {
    self.samples = samples
    self.decoder = decoder
    self.shards = shards
    self.leftOut = leftOut
    self.labelProblem = labelProblem ?? shards?.labelProblem
    self.format = format
    self.split = split
    self.classNames = classNames
    isLabeled =
      !classNames.isEmpty && (samples.count == 0 || samples.annotation(0).classIndex != nil)
  }

  public var count: Int { samples.count }
  /// The number of classes that have an image; 0 without labels.
  public var classCount: Int {
    isLabeled ? Set((0..<count).lazy.compactMap { label($0) }).count : 0
  }
  /// The image's class, its objects or its mask.
  public func annotation(_ index: Int) -> Annotation { samples.annotation(index) }
  /// An index into ``classNames``; nil where images as a whole have no class.
  public func label(_ index: Int) -> Int? { isLabeled ? samples.annotation(index).classIndex : nil }
  /// The file's path, relative to what was opened; for packed formats the file and the image's number in it.
  public func name(_ index: Int) -> String { samples.name(index) }
  /// The bytes of a sample's file; nil if it has none of its own.
  package func fileSize(_ index: Int, using scratch: DecodeScratch) throws -> Int? {
    try samples.file(index, using: scratch)?.count
  }
  /// Reads and decodes an image of any size; may be called from any number of threads at once.
  public func image(_ index: Int) throws -> RGBImage {
    let scratch = DecodeScratch()
    return try withExtendedLifetime(scratch) {
      try naming(index) {
        guard let file = try samples.file(index, using: scratch) else { return try samples.image(index) }
        return try decoder.decode(file)
      }
    }
  }

  /// Reads an image and decodes at least the region that `region` returns for its width and height. Any number of
  /// threads may do so at once, each with a scratch of its own.
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

  /// Adds the image's name to an error.
  private func naming<Result>(_ index: Int, _ work: () throws -> Result) throws -> Result {
    do { return try work() } catch let error as ImageError {
      throw ImageError.inFile(path: name(index), error.reason)
    }
  }

  /// One line for people: "60,000 images, 10 classes, IDX (MNIST family), train split".
  public var summary: String {
    if let shards, shards.listings == nil {
      let number = shards.sources.count
      return "\(grouped(count)) images in \(grouped(number)) shard\(number == 1 ? "" : "s"), \(format)"
    }
    let classes =
      classNames.isEmpty
      ? "no labels" : "\(grouped(classNames.count)) class\(classNames.count == 1 ? "" : "es")"
    let part = split.map { ", \($0.rawValue) split" } ?? ""
    return "\(grouped(count)) images, \(classes), \(format)\(part)"
      + (passedOver.isEmpty ? "" : "; members passed over: \(passedOver)")
  }

  /// How many of the first samples may stand in for a bad one. Shards are read in sequence, so there these are few.
  var substitutes: Int { shards == nil ? count : min(count, 64) }

  /// Members of shards that should not be there, and images that belong to another one's sample: "64 .seg.png, 1 link".
  /// Empty where there are none.
  package var passedOver: String {
    guard let shards else { return "" }
    let skipped = shards.skipped.map { "\(grouped($0.value)) \($0.key.rawValue)" }.sorted()
    let fields = kindsText(shards.otherFields.withDots)
    return ((fields.isEmpty ? [] : [fields]) + skipped).joined(separator: ", ")
  }
}

// MARK: - Subsets

extension Dataset {
  /// At most `count` of the images, evenly spaced, with their names and annotations.
  public func subset(to count: Int) -> Dataset {
    precondition(count > 0, "count = \(count) must be at least 1")
    guard count < self.count else { return self }
    let total = self.count
    return subset((0..<count).map { $0 * total / count })
  }

  /// Only these of the images, in this order, with their names and annotations. Traps for packed shards, which can
  /// only be read in sequence.
  public func subset(_ indices: [Int]) -> Dataset {
    precondition(shards?.isRandomAccess ?? true, "single images of packed shards cannot be read")
    return Dataset(
      SubsetSamples(all: samples, indices: indices), format: format, split: split, classNames: classNames,
      decoder: decoder, leftOut: leftOut, labelProblem: labelProblem)
  }
}

private struct SubsetSamples: SampleSource {
  let all: any SampleSource
  let indices: [Int]

  var count: Int { indices.count }
  func annotation(_ index: Int) -> Annotation { all.annotation(indices[index]) }
  func name(_ index: Int) -> String { all.name(indices[index]) }
  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    try all.file(indices[index], using: scratch)
  }
  func image(_ index: Int) throws -> RGBImage { try all.image(indices[index]) }
}

// MARK: - Fingerprint

extension Dataset {
  /// A number that other images hardly have: a checksum of the format, all names and labels, and the pixels of 16
  /// samples. The folder's own place does not matter. Where only the counts of shards are known, a checksum of these
  /// and the shards' names.
  package var fingerprint: UInt32 {
    var bytes = Array("\(format) \(count)\n".utf8)
    if let shards, shards.listings == nil {
      bytes += Array(shards.countsText.utf8)
      return bytes.withUnsafeBytes { crc32($0) }
    }
    // A command is not part of it: its address may change.
    for index in 0..<count {
      let label = shards.map { $0.labelInFingerprint(index) } ?? label(index)
      bytes += Array("\(shards?.memberName(index) ?? name(index)) \(label ?? -1)\n".utf8)
    }
    // Shards that can only be read in sequence are identified by their names.
    for place in 0..<(shards?.isRandomAccess == false ? 0 : min(16, count)) {
      // An image that cannot be read is identified by its name.
      if let image = try? image(place * count / min(16, count)) { bytes += image.pixels }
    }
    return bytes.withUnsafeBytes { crc32($0) }
  }
}
