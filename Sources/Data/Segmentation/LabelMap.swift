import Foundation
import Images

/// A class for each pixel, and ``ignored`` where there is none.
public struct LabelMap: Sendable, Equatable {
  /// Pixels of this number count neither in training nor in a test.
  public static let ignored: UInt8 = 255

  public let height: Int
  public let width: Int
  /// Row by row.
  public private(set) var labels: [UInt8]

  /// Traps unless there are `height * width` labels.
  public init(height: Int, width: Int, labels: [UInt8]) {
    precondition(
      height > 0 && width > 0 && labels.count == height * width,
      "\(labels.count) labels for \(height) × \(width) pixels")
    (self.height, self.width, self.labels) = (height, width, labels)
  }

  /// Reads a PNG file, gray or with a palette, whose numbers are taken as they are.
  ///
  /// - Throws: ``ImageError/inFile(path:_:)``; for colours, other formats and numbers above 255
  ///   ``ImageError/noLabels(_:detail:)``.
  public static func read(
    _ path: String, limits: DecodeLimits = DecodeLimits()
  ) throws(ImageError) -> LabelMap {
    let stored = try StoredPixels(contentsOf: path, limits: limits)
    return LabelMap(
      height: stored.height, width: stored.width, labels: try stored.smallNumbers(path))
  }

  /// Pixels of each number.
  public var counts: [Int] {
    var counts = Array(repeating: 0, count: 256)
    counts.withUnsafeMutableBufferPointer { counts in
      for label in labels { counts[Int(label)] += 1 }
    }
    return counts
  }

  /// The map as a PNG file: with colours a palette, of which there are at most 256; without, gray.
  ///
  /// - Throws: ``ImageError/outOfMemory(bytes:)``, or ``ImageError/cannotEncode(detail:)`` for a map that PNG cannot hold.
  public func pngData(colors: [SIMD3<UInt8>] = []) throws(ImageError) -> Data {
    try labelPNG(labels, height: height, width: width, colors: colors)
  }
}

extension StoredPixels {
  /// The numbers of a picture without colours, none of which may be above 255.
  func smallNumbers(_ path: String) throws(ImageError) -> [UInt8] {
    if sampleBytes == 1 { return bytes }
    let numbers = numbers
    guard let place = numbers.firstIndex(where: { $0 > 255 }) else { return numbers.map { UInt8($0) } }
    throw .inFile(
      path: path,
      .noLabels(
        .png,
        detail:
          "it has the number \(numbers[place]) at row \(place / width), column \(place % width), and the "
          + "largest is 255"))
  }
}
