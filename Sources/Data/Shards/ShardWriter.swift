import Files
import Foundation
import Images
import Torch

/// Writes a data set as tar shards in WebDataset's form. The same images and options give the same bytes.
///
/// An image becomes `000000123.jpg`, its number in the data set and nine digits, or with the ending of its format. With labels it
/// lies in a folder of its class's name, and a `.cls` beside it holds the label in decimal: WebDataset sees samples
/// with the fields `jpg` and `cls`, and ``ShardIndex`` finds the class names again. Files are taken as they are;
/// images without files of their own (IDX, CIFAR) become PNGs. The images are dealt out in a random order that is
/// always the same, so that every shard holds all classes.
package struct ShardWriter: Sendable {
  /// Images are made no larger than this on their short side, and those that are larger encoded as JPEG anew; nil
  /// leaves all as they are.
  package var resize: Int?
  /// Of JPEGs that are encoded anew, 1 to 100. Their colour keeps its full resolution (4:4:4): on ImageNet pictures
  /// of 256 pixels a quality of 90 then errs as much as the customary 95 with halved colour (RMSE 3.0) in 37 KB
  /// instead of 41.
  package var quality: Int
  /// The most images of a shard, where the name leaves the number of shards open.
  package var shardImages: Int?
  package var overwrites: Bool
  package var threads: Int
  /// More unreadable images than this share end the work.
  package var maxBad: Fraction
  package var decoder: ImageDecoder

  package init(
    resize: Int? = nil, quality: Int = 90, shardImages: Int? = nil, overwrites: Bool = false,
    threads: Int = Cores.usable, maxBad: Fraction = .fivePercent,
    decoder: ImageDecoder = ImageDecoder()
  ) {
    precondition(resize ?? 1 >= 1 && shardImages ?? 1 >= 1, "sizes of \(resize ?? 1) and \(shardImages ?? 1)")
    precondition((1...100).contains(quality), "a quality of \(quality), want 1...100")
    self.resize = resize
    self.quality = quality
    self.shardImages = shardImages
    self.overwrites = overwrites
    self.threads = threads
    self.maxBad = maxBad
    self.decoder = decoder
  }

  /// The result.
  package struct Summary: Sendable {
    package var images: Int { counts.reduce(0, +) }
    /// Of each shard.
    package var counts: [Int] = []
    /// Of the packed images.
    package var bytes = 0
    /// Paths, in order.
    package var shards: [String] = []
    /// The path of their index.
    package var index: String
    /// Files and folders that the data set left out.
    package var leftOut = LeftOut()
    /// The same of members of shards: see ``Dataset/passedOver``.
    package var passedOver = ""
    /// Images that were left out.
    package var bad: [BadFile] = []
  }

  /// A shard takes about this much unless ``shardImages`` says otherwise.
  static let shardBytes = 256 << 20
  static let shardImages = 10_000

  /// Packs a folder, list, IDX or CIFAR folder or other shards.
  ///
  /// All shards are put in their places at the end, when everything went well, and a ``ShardList`` beside them.
  ///
  /// - Parameters:
  ///   - data: A path that ``Dataset/open(_:split:decoder:allowsOneImage:listing:)`` takes.
  ///   - split: The part of a set that has two.
  ///   - imageKey: The field of shards that is the image; nil for WebDataset's rule.
  ///   - out: `name-{000..N}.tar` for as many as are needed, `name-{000..127}.tar` for just so many, or one file.
  ///   - progress: Called now and then with how many images of all are done; what it throws ends the work.
  /// - Throws: ``ShardError``, ``DatasetError``, and ``LoaderError/tooManyBadFiles(bad:seen:allowed:first:)`` above ``maxBad``.
  package func pack(
    _ data: String, split: DatasetSplit = .train, imageKey: String? = nil, out: String,
    progress: (Int, Int) throws -> Void = { _, _ in }
  ) throws -> Summary {
    let source = try PackSource(data, split: split, imageKey: imageKey, decoder: decoder)
    let dataset = source.dataset
    if let odd = dataset.classNames.first(where: { $0.contains("/") || [".", ".."].contains($0) }) {
      throw ShardError.classNameNoFolder(name: odd)
    }
    if let long = dataset.classNames.first(where: { $0.utf8.count > TarWriter.folderBytes }) {
      throw ShardError.classNameTooLong(name: long, limit: TarWriter.folderBytes)
    }
    let paths = try shardPaths(out, source)
    let index = Self.index(of: out)
    if !overwrites, let path = (paths + [index]).first(where: { FileKind($0) != nil }) {
      throw ShardError.wouldOverwrite(path: path)
    }
    // The workers set LibTorch's threads to one, and threads to come would take that over.
    let torchThreads = Runtime.threads
    defer { Runtime.threads = torchThreads }

    var record = BadFileRecord(count: dataset.count, allowed: maxBad)
    var summary = Summary(
      shards: paths, index: index, leftOut: dataset.leftOut, passedOver: dataset.passedOver)
    var finished: [TarWriter] = []
    for (shard, path) in paths.enumerated() {
      let writer = try TarWriter(path)
      summary.counts.append(0)
      let end = (shard + 1) * dataset.count / paths.count
      var next = shard * dataset.count / paths.count
      while next < end {
        let some = next..<min(next + 16 * threads, end)
        next = some.upperBound
        let packed = try pack(some, source)
        try record.record(seen: some.count, bad: packed.compactMap(\.bad))
        for case .success(let image) in packed {
          try add(image, to: writer, dataset)
          summary.counts[shard] += 1
          summary.bytes += image.image.bytes.count
        }
        try progress(next, dataset.count)
      }
      try writer.finish()
      finished.append(writer)
    }
    for writer in finished { try writer.publish() }
    try ShardList(files: paths, counts: summary.counts, for: index).write(to: index)
    summary.bad = record.files
    return summary
  }

  private struct Numbered: Sendable {
    var number: Int
    var image: PackedImage
  }

  /// An image, or why there is none.
  private enum Outcome: Sendable {
    case success(Numbered)
    case failure(BadFile)

    var bad: BadFile? { if case .failure(let file) = self { file } else { nil } }
  }

  private func pack(_ places: Range<Int>, _ source: PackSource) throws -> [Outcome] {
    try inTorchThreads(places.count) { [resize, quality] index in
      let number = source.order[places.lowerBound + index]
      do {
        let image = try source.packed(at: places.lowerBound + index, shortSide: resize, quality: quality)
        return .success(Numbered(number: number, image: image))
      } catch  where isFileToBlame(error) {
        return .failure(BadFile(sample: number, of: source.dataset, error))
      }
    }
  }

  /// Each with LibTorch set to one thread.
  private func inTorchThreads<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) throws -> Value
  ) throws -> [Value] {
    try inParallel(count, threads: threads) { index in
      _ = Runtime.threads  // LibTorch sets a thread up at its first use, over what was set before
      Runtime.threads = 1
      return try body(index)
    }
  }

  private func add(_ packed: Numbered, to writer: TarWriter, _ dataset: Dataset) throws(ShardError) {
    let label = dataset.label(packed.number)
    let folder = label.map { dataset.classNames[$0] } ?? ""
    let key = padded(packed.number, to: 9)
    try writer.add(folder: folder, name: "\(key).\(packed.image.ending)", packed.image.bytes)
    if let label { try writer.add(folder: folder, name: "\(key).cls", Array("\(label)".utf8)) }
  }

  // MARK: How many

  /// "train-index.json" beside "train-{000..N}.tar", and "index.json" beside "{000..N}.tar".
  static func index(of out: String) -> String {
    let name = out.lastPathPart.dropLast(".tar".count)
    var stem = String(name.prefix { $0 != "{" })
    while let last = stem.last, "-_.".contains(last) { stem.removeLast() }
    return joined(out.parentFolder, stem.isEmpty ? "index.json" : stem + "-index.json")
  }

  private func shardPaths(_ out: String, _ source: PackSource) throws -> [String] {
    func bad(_ detail: String) -> ShardError { .badPattern(pattern: out, detail: detail) }
    guard out.hasSuffix(".tar") else { throw bad("shards are written plain; let the name end in .tar") }
    let paths: [String]
    if let open = out.firstMatch(of: /\{([0-9]{1,9})\.\.N\}/), let first = Int(open.1) {
      let count = try shardCount(source)
      paths = try ShardPattern.expand(
        out.replacingCharacters(in: open.range, with: "{\(open.1)..\(first + count - 1)}"), of: out)
    } else {
      paths = try ShardPattern.expand(out, of: out)
    }
    guard !paths[0].contains(where: { "{}".contains($0) }) else {
      throw bad("write the numbers as {000..N}, or as {000..127} for 128 shards")
    }
    guard paths.count <= source.dataset.count else {
      throw bad(
        "\(grouped(paths.count)) shards are too many for \(grouped(source.dataset.count)) images; write {000..N}"
      )
    }
    return paths
  }

  /// By the size of 32 images from all over the set, unless the user gives it.
  private func shardCount(_ source: PackSource) throws -> Int {
    let count = source.dataset.count
    if let shardImages { return (count + shardImages - 1) / shardImages }
    let numbers = (0..<min(count, 32)).map { $0 * count / min(count, 32) }
    let sizes = try inTorchThreads(numbers.count) { [resize, quality] index -> Int? in
      do {
        // A header and a .cls come with each.
        return try source.size(numbers[index], shortSide: resize, quality: quality) + 2048
      } catch  where isFileToBlame(error) { return nil }
    }.compactMap { $0 }
    let mean = max(1, sizes.reduce(0, +) / max(1, sizes.count))
    let each = max(1, min(Self.shardImages, Self.shardBytes / mean))
    return (count + each - 1) / each
  }
}
