import Foundation
import Images

/// A binary batch of CIFAR-10 or CIFAR-100: records of label bytes and 3072 bytes of a 32 x 32 picture, the red
/// plane first (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images"; the data set's page).
public struct CIFARBatch: Sendable, Equatable {
  public enum Variant: String, Sendable, CaseIterable {
    /// One label, 0...9.
    case cifar10 = "CIFAR-10"
    /// A coarse label 0...19, then a fine one 0...99.
    case cifar100 = "CIFAR-100"

    public var labelBytes: Int { self == .cifar10 ? 1 : 2 }
    public var recordBytes: Int { labelBytes + CIFARBatch.pictureBytes }
    public var classCount: Int { self == .cifar10 ? 10 : 100 }
  }

  public static let side = 32
  static let pictureBytes = 3 * side * side

  public let variant: Variant
  private let bytes: [UInt8]

  public init(_ data: Data, variant: Variant) throws(CIFARError) {
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
  public init(contentsOf path: String, variant: Variant, limit: Int = 1 << 30) throws(CIFARError) {
    do {
      let bytes = try Result { () throws(ImageError) in Data(try readFile(path, limit: limit)) }
        .mapError { CIFARError.unreadable($0) }.get()
      try self.init(bytes, variant: variant)
    } catch {
      throw .inFile(path: path, error)
    }
  }

  public var count: Int { bytes.count / variant.recordBytes }

  /// The class of record `index`, the fine one for CIFAR-100. Traps outside `0..<count`.
  public func label(_ index: Int) -> Int { Int(bytes[start(index) + variant.labelBytes - 1]) }

  /// The picture of record `index`. Traps outside `0..<count`.
  public subscript(index: Int) -> RGBImage {
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
public enum CIFARError: Error, Equatable, Sendable {
  case wrongSize(bytes: Int, CIFARBatch.Variant)
  case wrongLabel(Int, record: Int, CIFARBatch.Variant)
  case unreadable(ImageError)
  indirect case inFile(path: String, CIFARError)
}

extension CIFARError: CustomStringConvertible, LocalizedError {
  public var errorDescription: String? { description }

  public var description: String {
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
