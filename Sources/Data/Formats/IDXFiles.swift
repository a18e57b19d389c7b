import Files
import Foundation
import Images

/// A folder with files of the MNIST family.
struct IDXFiles: DatasetFormat {
  let name = "IDX (MNIST family)"
  var evidence: String { "IDX files (\(example))" }
  private var files: [String]

  init?(_ location: DatasetLocation) {
    files = location.files
    guard DatasetSplit.allCases.contains(where: { find("images", 3, $0) != nil }) else { return nil }
  }

  private var example: String { DatasetSplit.allCases.lazy.compactMap { find("images", 3, $0) }.first ?? "" }

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

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    let (folder, split) = (location.path, options.split)
    guard let file = find("images", 3, split) else {
      throw .missingSplit(path: folder, split: split, files: [Self.names("images", 3, split)[0] + "[.gz]"])
    }
    guard case .images(let images) = try Self.read(folder, file) else {
      throw .badFile(reason: "\(folder)/\(file): holds labels where images belong; fetch or copy it again")
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
      IDXSamples(file: file, images: images, labels: labels), format: name, split: split,
      classNames: labels.max().map { (0...Int($0)).map(String.init) } ?? [])
  }

  private static func read(_ folder: String, _ name: String) throws(DatasetError) -> IDXFile {
    do { return try IDXFile(contentsOf: "\(folder)/\(name)") } catch { throw .badFile(reason: "\(error)") }
  }
}

/// A pair of IDX files: all images are in memory.
private struct IDXSamples: PixelSource {
  var file: String
  var images: IDXImages
  /// One for each image, or empty.
  var labels: [UInt8]

  var count: Int { images.count }
  func annotation(_ index: Int) -> Annotation { labels.isEmpty ? .none : .class(Int(labels[index])) }
  func name(_ index: Int) -> String { "\(file)#\(index)" }
  func image(_ index: Int) -> RGBImage { images[index] }
}

/// A file of the MNIST family: a big-endian magic number, the sizes, then one byte a value
/// (LeCun, "The MNIST database", file formats).
package enum IDXFile: Sendable, Equatable {
  /// Magic number 0x00000803.
  case images(IDXImages)
  /// Magic number 0x00000801; one label 0...255 an image.
  case labels([UInt8])

  /// Reads an unpacked file.
  package init(_ data: Data) throws(IDXError) {
    guard data.count >= 8 else { throw .truncated(bytes: data.count, needed: 8) }
    let magic = data.bigEndian(at: 0)
    switch magic {
    case 0x801:
      try checkSize(data, header: 8, shape: [data.bigEndian(at: 4)])
      self = .labels([UInt8](data.dropFirst(8)))
    case 0x803:
      guard data.count >= 16 else { throw .truncated(bytes: data.count, needed: 16) }
      let shape = [4, 8, 12].map { data.bigEndian(at: $0) }
      try checkSize(data, header: 16, shape: shape)
      guard shape[1] > 0, shape[2] > 0 else { throw .emptyImages(width: shape[2], height: shape[1]) }
      self = .images(
        IDXImages(count: shape[0], width: shape[2], height: shape[1], bytes: [UInt8](data.dropFirst(16))))
    default:
      throw .notIDX(magic: magic)
    }
  }

  /// Reads a file, plain or gzip (recognized by its content).
  ///
  /// - Parameters:
  ///   - path: A plain or packed file.
  ///   - limit: the most bytes that the file may have, packed and unpacked.
  /// - Throws: ``IDXError/inFile(path:_:)``.
  package init(contentsOf path: String, limit: Int = 1 << 30) throws(IDXError) {
    do {
      let bytes = try Result { () throws(ImageError) in Data(try readFile(path, limit: limit)) }
        .mapError { IDXError.unreadable($0) }.get()
      guard bytes.starts(with: [0x1F, 0x8B]) else {
        try self.init(bytes)
        return
      }
      let plain = try Result { () throws(GzipError) in try gunzip(bytes, limit: limit) }
        .mapError { IDXError.gzip($0) }.get()
      try self.init(plain)
    } catch {
      throw .inFile(path: path, error)
    }
  }
}

/// Gray images of one size.
package struct IDXImages: Sendable, Equatable {
  package let count: Int
  package let width: Int
  package let height: Int
  /// count x height x width gray levels.
  package let bytes: [UInt8]

  /// Image `index`, its gray level in all three channels. Traps outside `0..<count`.
  package subscript(index: Int) -> RGBImage {
    precondition(index >= 0 && index < count, "image \(index) of \(count)")
    let size = width * height
    let pixels = [UInt8](unsafeUninitializedCapacity: size * 3) { out, filled in
      for gray in bytes[(index * size)..<((index + 1) * size)] {
        for channel in 0..<3 { out[filled + channel] = gray }
        filled += 3
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}

/// Why a file of the MNIST family could not be read.
package enum IDXError: Error, Equatable, Sendable {
  case notIDX(magic: Int)
  case truncated(bytes: Int, needed: Int)
  case trailingBytes(bytes: Int, needed: Int)
  case impossibleSize(shape: [Int])
  case emptyImages(width: Int, height: Int)
  case unreadable(ImageError)
  case gzip(GzipError)
  indirect case inFile(path: String, IDXError)
}

extension IDXError: CustomStringConvertible, LocalizedError {
  package var errorDescription: String? { description }

  package var description: String {
    switch self {
    case .notIDX(let magic):
      "not an IDX file of images (2051) or labels (2049): it begins with \(magic)"
    case .truncated(let bytes, let needed):
      "the IDX file has \(bytes) bytes where its header asks for \(needed); fetch or copy it again"
    case .trailingBytes(let bytes, let needed):
      "the IDX file has \(bytes) bytes, more than the \(needed) that its header asks for; fetch or copy it again"
    case .impossibleSize(let shape):
      "the IDX file's header asks for \(shape.map(String.init).joined(separator: " x ")) bytes; it is damaged"
    case .emptyImages(let width, let height):
      "the IDX file's images have \(width) x \(height) pixels; it is damaged"
    case .unreadable(let error):
      "\(error)"
    case .gzip(let error):
      "\(error)"
    case .inFile(let path, let inner):
      "\(path): \(inner)"
    }
  }
}

/// The header must account for every byte of the file.
private func checkSize(_ data: Data, header: Int, shape: [Int]) throws(IDXError) {
  var needed = 1
  for side in shape {
    let (product, overflow) = needed.multipliedReportingOverflow(by: side)
    guard !overflow, product < Int.max - header else { throw .impossibleSize(shape: shape) }
    needed = product
  }
  needed += header
  if data.count < needed { throw .truncated(bytes: data.count, needed: needed) }
  if data.count > needed { throw .trailingBytes(bytes: data.count, needed: needed) }
}

extension Data {
  /// The unsigned 32-bit number `offset` bytes from the start.
  fileprivate func bigEndian(at offset: Int) -> Int {
    (0..<4).reduce(0) { $0 << 8 | Int(self[startIndex + offset + $1]) }
  }
}
