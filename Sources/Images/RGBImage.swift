import CCodecs
import Foundation

/// An 8-bit RGB picture: `height` rows of `width` pixels of three bytes (R, G, B), without gaps.
public struct RGBImage: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// H x W x 3 bytes, row by row.
  public private(set) var pixels: [UInt8]

  /// Traps unless both sides are positive and `pixels` holds exactly `width * height * 3` bytes.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "an image of \(width) x \(height) pixels")
    precondition(
      pixels.count == width * height * 3,
      "\(pixels.count) bytes for \(width) x \(height) x 3 = \(width * height * 3)")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// The colour at column `x`, row `y`, counted from the upper left. Traps outside the image.
  public subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
    precondition(
      x >= 0 && x < width && y >= 0 && y < height, "pixel (\(x), \(y)) of an image of \(width) x \(height)")
    let start = (y * width + x) * 3
    return (pixels[start], pixels[start + 1], pixels[start + 2])
  }

  /// The pixels without a copy; the pointer is valid only inside `body`.
  public func withUnsafeBytes<Value>(_ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
    try pixels.withUnsafeBytes(body)
  }

  /// The picture as a PNG file.
  ///
  /// - Throws: ``ImageError/outOfMemory(bytes:)``, or ``ImageError/cannotEncode(detail:)`` for a picture that PNG
  ///   cannot hold.
  public func pngData() throws(ImageError) -> Data {
    try encoded(width: width, height: height) { columns, rows, png, message in
      pixels.withUnsafeBufferPointer { cc_png_encode($0.baseAddress, columns, rows, &png, &message) }
    }
  }
}

/// The file that one of the codecs' encoders makes.
///
/// - Throws: ``ImageError/outOfMemory(bytes:)``, ``ImageError/cannotEncode(detail:)``.
func encoded(
  width: Int, height: Int,
  _ encode: (_ columns: UInt32, _ rows: UInt32, inout cc_buffer, inout cc_message) -> cc_status
) throws(ImageError) -> Data {
  guard let columns = UInt32(exactly: width), let rows = UInt32(exactly: height) else {
    throw .cannotEncode(detail: "\(width) x \(height) pixels are too many")
  }
  var message = cc_message()
  var file = cc_buffer()
  switch encode(columns, rows, &file, &message) {
  case .ok: return Data(adopting: file)
  case .outOfMemory: throw .outOfMemory(bytes: width * height)
  default: throw .cannotEncode(detail: message.string)
  }
}

extension Data {
  /// Takes over memory from malloc without a copy.
  package init(adopting buffer: cc_buffer) {
    guard let bytes = buffer.bytes else {
      self.init()
      return
    }
    self.init(bytesNoCopy: bytes, count: buffer.count, deallocator: .free)
  }
}

extension cc_message {
  package var string: String {
    withUnsafeBytes(of: text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
