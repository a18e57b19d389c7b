/// The supported file formats, recognised by the first bytes and never by the file's name.
public enum ImageFormat: String, Sendable, CaseIterable, CustomStringConvertible {
  case jpeg = "JPEG"
  case png = "PNG"
  case webp = "WebP"
  case tiff = "TIFF"
  case bmp = "BMP"
  case gif = "GIF"
  /// The family of portable maps: PBM, PGM and PPM, as text or binary.
  case pnm = "PNM"
  case avif = "AVIF"

  public var description: String { rawValue }

  /// The endings of its files' names, in lower case and without the dot; the first is the usual one.
  ///
  /// A folder's files with one of these endings count as images whatever is in them, so that a damaged image is
  /// reported and not passed over.
  public var extensions: [String] {
    switch self {
    case .jpeg: ["jpg", "jpeg", "jpe", "jfif", "jif", "jpg_large", "jpg-large"]
    case .png: ["png", "apng"]
    case .webp: ["webp"]
    case .tiff: ["tif", "tiff"]
    case .bmp: ["bmp", "dib"]
    case .gif: ["gif"]
    case .pnm: ["ppm", "pgm", "pbm", "pnm"]
    case .avif: ["avif"]
    }
  }

  /// Every ending of every format: see ``extensions``.
  public static let allExtensions = Set(allCases.flatMap(\.extensions))

  /// "JPEG, PNG, WebP … or AVIF".
  package static var names: String {
    let names = allCases.map(\.rawValue)
    return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
  }

  /// The first bytes that ``init(sniffing:)`` looks at, at most.
  package static let sniffedBytes = 64

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
