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
    } else if Self.isTIFF(bytes) {
      self = .tiff
    } else if Self.isBMP(bytes) {
      self = .bmp
    } else if bytes.starts(with: "GIF87a".utf8) || bytes.starts(with: "GIF89a".utf8) {
      self = .gif
    } else if Self.isPNM(bytes) {
      self = .pnm
    } else if Self.isAVIF(bytes) {
      self = .avif
    } else {
      return nil
    }
  }

  /// Byte order, and 42, or 43 for BigTIFF.
  private static func isTIFF(_ bytes: UnsafeRawBufferPointer) -> Bool {
    [[0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43]]
      .contains { bytes.starts(with: $0) }
  }

  /// "BM", which other files begin with too, and the size of a known header.
  private static func isBMP(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.starts(with: "BM".utf8), bytes.count >= 18 else { return false }
    return [12, 40, 52, 56, 64, 108, 124].contains(bytes[14]) && bytes[15] == 0 && bytes[16] == 0
      && bytes[17] == 0
  }

  /// P1 to P6, then white space or a comment.
  private static func isPNM(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 3, bytes[0] == UInt8(ascii: "P") else { return false }
    return (UInt8(ascii: "1")...UInt8(ascii: "6")).contains(bytes[1])
      && (bytes[2] == 0x20 || (0x09...0x0D).contains(bytes[2]) || bytes[2] == UInt8(ascii: "#"))
  }

  /// A box "ftyp" with the brand of AVIF, or of a sequence of them, among its first ones.
  private static func isAVIF(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 16, bytes[4..<8].elementsEqual("ftyp".utf8) else { return false }
    let end = min(bytes.count, sniffedBytes, (0..<4).reduce(0) { $0 << 8 | Int(bytes[$1]) })
    return stride(from: 8, to: end - 3, by: 4).contains { at in
      at != 12
        && (bytes[at..<(at + 4)].elementsEqual("avif".utf8)
          || bytes[at..<(at + 4)].elementsEqual("avis".utf8))
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
