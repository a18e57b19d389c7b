import Foundation
import Images

/// A folder with the binary version of CIFAR-10 or CIFAR-100.
struct CIFARBinaries: DatasetFormat {
  var name: String { variant.rawValue + " binary" }
  var evidence: String { "CIFAR files (\(example))" }
  private var files: [String]
  private var variant: CIFARBatch.Variant

  init?(_ location: DatasetLocation) { self.init(files: location.files) }

  init?(files: [String]) {
    self.files = files
    variant = .cifar10
    if names(.train).isEmpty, names(.test).isEmpty {
      variant = .cifar100
      if names(.train).isEmpty, names(.test).isEmpty { return nil }
    }
  }

  private var example: String { (names(.train) + names(.test)).first ?? "" }

  private func names(_ split: DatasetSplit) -> [String] {
    switch (variant, split) {
    case (.cifar10, .train): files.filter { $0.hasPrefix("data_batch_") && $0.hasSuffix(".bin") }
    case (.cifar10, .test): files.filter { $0 == "test_batch.bin" }
    case (.cifar100, .train): files.filter { $0 == "train.bin" }
    case (.cifar100, .test): files.filter { $0 == "test.bin" }
    }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    try open(location.path, options.split) { name throws(CIFARError) in
      try CIFARBatch.contents(of: "\(location.path)/\(name)")
    }
  }

  /// - Parameters:
  ///   - folder: For errors.
  ///   - read: Reads one of the files.
  func open(
    _ folder: String, _ split: DatasetSplit, _ read: (String) throws(CIFARError) -> Data
  ) throws(DatasetError) -> Dataset {
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
      do throws(CIFARError) { batches.append(try CIFARBatch(try read(name), variant: variant)) } catch {
        throw .badFile(reason: "\(CIFARError.inFile(path: "\(folder)/\(name)", error))")
      }
    }
    return Dataset(
      CIFARSamples(files: names, batches: batches), format: name, split: split,
      classNames: classNames(read),
      leftOut: variant == .cifar10 && split == .train
        ? LeftOut(missing: CIFARBatch.missing(among: names, ending: ".bin")) : LeftOut())
  }

  /// From the file that comes with the data set, if it is whole; else numbers.
  private func classNames(_ read: (String) throws(CIFARError) -> Data) -> [String] {
    let file = variant == .cifar10 ? "batches.meta.txt" : "fine_label_names.txt"
    let text = (try? read(file)).map { String(decoding: $0, as: UTF8.self) }
    let names = (text ?? "").split(whereSeparator: \.isNewline).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    .filter { !$0.isEmpty }
    return names.count == variant.classCount ? names : (0..<variant.classCount).map(String.init)
  }
}

/// CIFAR batches one after the other: all images are in memory.
private struct CIFARSamples: PixelSource {
  var files: [String]
  var batches: [CIFARBatch]
  /// Where each batch begins.
  private var starts: [Int]
  let count: Int

  init(files: [String], batches: [CIFARBatch]) {
    precondition(files.count == batches.count, "\(files.count) files and \(batches.count) batches")
    self.files = files
    self.batches = batches
    var total = 0
    starts = batches.map { batch in
      defer { total += batch.count }
      return total
    }
    count = total
  }

  func annotation(_ index: Int) -> Annotation {
    let (batch, record) = place(index)
    return .class(batches[batch].label(record))
  }
  func name(_ index: Int) -> String {
    let (batch, record) = place(index)
    return "\(files[batch])#\(record)"
  }
  func image(_ index: Int) -> RGBImage {
    let (batch, record) = place(index)
    return batches[batch][record]
  }

  private func place(_ index: Int) -> (batch: Int, record: Int) {
    precondition(index >= 0 && index < count, "image \(index) of \(count)")
    let batch = (starts.lastIndex { $0 <= index }) ?? 0
    return (batch, index - starts[batch])
  }
}

/// A binary batch of CIFAR-10 or CIFAR-100: records of label bytes and 3072 bytes of a 32 x 32 picture, the red
/// plane first (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images"; the data set's page).
package struct CIFARBatch: Sendable, Equatable {
  package enum Variant: String, Sendable, CaseIterable {
    /// One label, 0...9.
    case cifar10 = "CIFAR-10"
    /// A coarse label 0...19, then a fine one 0...99.
    case cifar100 = "CIFAR-100"

    package var labelBytes: Int { self == .cifar10 ? 1 : 2 }
    package var recordBytes: Int { labelBytes + CIFARBatch.pictureBytes }
    package var classCount: Int { self == .cifar10 ? 10 : 100 }
  }

  package static let side = 32
  static let pictureBytes = 3 * side * side

  /// The training batches of CIFAR-10 that are not there: of its five, and of those before the last one's number.
  /// - Parameters:
  ///   - names: Of the batches that are there.
  ///   - ending: What follows the number in a name.
  static func missing(among names: [String], ending: String = "") -> [String] {
    func name(_ number: Int) -> String { "data_batch_\(number)\(ending)" }
    let numbers = Set(names.compactMap { Int($0.dropFirst("data_batch_".count).dropLast(ending.count)) })
    // A number in a name may be any; nobody cuts the set into more than a hundred.
    let last = numbers.filter { $0 <= 100 }.max() ?? 0
    return (1...max(5, last)).filter { !numbers.contains($0) }.map(name)
  }

  package let variant: Variant
  private let bytes: [UInt8]

  package init(_ data: Data, variant: Variant) throws(CIFARError) {
    guard !data.isEmpty, data.count.isMultiple(of: variant.recordBytes) else {
      throw .wrongSize(bytes: data.count, variant)
    }
    self.variant = variant
    self.bytes = [UInt8](data)
    for index in 0..<count where label(index) >= variant.classCount {
      throw .wrongLabel(label(index), record: index, variant)
    }
  }

  /// Reads a batch file. The limit on its size is far above the 30 MB of the published ones.
  ///
  /// - Throws: ``CIFARError/inFile(path:_:)``.
  package init(contentsOf path: String, variant: Variant, limit: Int = 1 << 30) throws(CIFARError) {
    do throws(CIFARError) { try self.init(Self.contents(of: path, limit: limit), variant: variant) } catch {
      throw .inFile(path: path, error)
    }
  }

  static func contents(of path: String, limit: Int = 1 << 30) throws(CIFARError) -> Data {
    do throws(ImageError) { return Data(try readFile(path, limit: limit)) } catch { throw .unreadable(error) }
  }

  package var count: Int { bytes.count / variant.recordBytes }

  /// The class of record `index`, the fine one for CIFAR-100. Traps outside `0..<count`.
  package func label(_ index: Int) -> Int { Int(bytes[start(index) + variant.labelBytes - 1]) }

  /// The picture of record `index`. Traps outside `0..<count`.
  package subscript(index: Int) -> RGBImage {
    let first = start(index) + variant.labelBytes
    let plane = Self.side * Self.side
    let pixels = [UInt8](unsafeUninitializedCapacity: Self.pictureBytes) { out, filled in
      bytes.withUnsafeBufferPointer { source in
        for pixel in 0..<plane {
          for channel in 0..<3 { out[3 * pixel + channel] = source[first + channel * plane + pixel] }
        }
      }
      filled = Self.pictureBytes
    }
    return RGBImage(width: Self.side, height: Self.side, pixels: pixels)
  }

  private func start(_ index: Int) -> Int {
    precondition(index >= 0 && index < count, "record \(index) of \(count)")
    return index * variant.recordBytes
  }
}

/// Why a CIFAR batch could not be read.
package enum CIFARError: Error, Equatable, Sendable {
  case wrongSize(bytes: Int, CIFARBatch.Variant)
  case wrongLabel(Int, record: Int, CIFARBatch.Variant)
  case unreadable(ImageError)
  indirect case inFile(path: String, CIFARError)
}

extension CIFARError: CustomStringConvertible, LocalizedError {
  package var errorDescription: String? { description }

  package var description: String {
    switch self {
    case .wrongSize(let bytes, let variant):
      "\(bytes) bytes are not a whole number of \(variant.rawValue) records of \(variant.recordBytes) bytes; "
        + "fetch or copy the file again"
    case .wrongLabel(let label, let record, let variant):
      "record \(record) has label \(label), but \(variant.rawValue) has only the classes "
        + "0 to \(variant.classCount - 1); the file is damaged or of another kind"
    case .unreadable(let error):
      "\(error)"
    case .inFile(let path, let inner):
      "\(path): \(inner)"
    }
  }
}
