/// The supported file formats, recognised by the first bytes and never by the file's name.
public enum ImageFormat: String, Sendable, CaseIterable, CustomStringConvertible {
  case jpeg = "JPEG"
  case png = "PNG"
  case webp = "WebP"

  public var description: String { rawValue }

  /// The format with these first bytes; nil for any other.
  public init?(sniffing bytes: UnsafeRawBufferPointer) {
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
      self = .webp
    } else {
      return nil
    }
  }
}

/// The content of a file's header, read before any pixel is decoded.
public struct ImageHeader: Sendable, Equatable {
  public let format: ImageFormat
  /// As stored: an EXIF orientation is not applied.
  public let width: Int
  public let height: Int

  public init(format: ImageFormat, width: Int, height: Int) {
    self.format = format
    self.width = width
    self.height = height
  }
}
