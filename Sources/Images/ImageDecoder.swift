import CCodecs
import Foundation

/// Decodes JPEG, PNG and WebP to 8-bit RGB with the values that Pillow's `Image.open(file).convert("RGB")` gives.
///
/// Gray becomes three equal channels, alpha is dropped (not blended), CMYK follows Adobe's inverted convention,
/// 16-bit colour keeps its high byte, 16-bit gray is clipped at 255 (as Pillow does), and an animation gives its
/// first frame. A file that ends too early is an error, never a picture with a gray rest.
///
/// A decoder has no state: one value may serve any number of threads.
public struct ImageDecoder: Sendable {
  public var limits: DecodeLimits
  /// Turns the picture as its EXIF orientation asks. Off by default, because the published data pipelines
  /// (`Image.open(file).convert("RGB")`) do not turn it either.
  public var appliesOrientation: Bool

  public init(limits: DecodeLimits = DecodeLimits(), appliesOrientation: Bool = false) {
    self.limits = limits
    self.appliesOrientation = appliesOrientation
  }

  /// The format and size, from the first bytes of the file. Nothing is decoded and no limit is asked.
  public func header(of bytes: UnsafeRawBufferPointer) throws(ImageError) -> ImageHeader {
    guard !bytes.isEmpty else { throw .empty }
    guard let format = ImageFormat(sniffing: bytes) else {
      throw .unknownFormat(firstBytes: Array(bytes.prefix(8)))
    }
    var message = MocoMessage()
    var width: UInt32 = 0
    var height: UInt32 = 0
    let size =
      switch format {
      case .jpeg: moco_jpeg_size
      case .png: moco_png_size
      case .webp: moco_webp_size
      }
    let status = size(bytes.baseAddress, bytes.count, &width, &height, &message)
    if let error = failure(status, format, message, outputBytes: 0) { throw error }
    return ImageHeader(format: format, width: Int(width), height: Int(height))
  }

  /// Decodes a file's bytes, which are only read and not kept.
  ///
  /// - Throws: an ``ImageError`` for anything that is not a whole image within the limits.
  public func decode(_ bytes: UnsafeRawBufferPointer) throws(ImageError) -> RGBImage {
    guard bytes.count <= limits.maxFileBytes else {
      throw .fileTooLarge(bytes: bytes.count, limit: limits.maxFileBytes)
    }
    let header = try header(of: bytes)
    // Both sides are below 2^31, so their product fits an Int, and so do three bytes for each allowed pixel.
    let limit = min(limits.maxPixels, Int(Int32.max))
    guard header.width * header.height <= limit else {
      throw .tooManyPixels(width: header.width, height: header.height, limit: limit)
    }
    let image = try pixels(of: bytes, header)
    guard appliesOrientation, let orientation = Orientation(in: bytes, header.format) else { return image }
    return image.turned(orientation)
  }

  /// The same for bytes in a `Data`, an array or a slice of one.
  public func decode(_ bytes: some ContiguousBytes) throws(ImageError) -> RGBImage {
    try bytes.withUnsafeBytes { raw in
      Result { () throws(ImageError) in try decode(raw) }
    }.get()
  }

  /// The same for bytes in a `Data`, an array or a slice of one.
  public func header(of bytes: some ContiguousBytes) throws(ImageError) -> ImageHeader {
    try bytes.withUnsafeBytes { raw in
      Result { () throws(ImageError) in try header(of: raw) }
    }.get()
  }

  /// Reads and decodes a file. Every error is ``ImageError/inFile(path:_:)``.
  public func decode(contentsOf path: String) throws(ImageError) -> RGBImage {
    do {
      return try decode(readFile(path, limit: limits.maxFileBytes))
    } catch {
      throw .inFile(path: path, error)
    }
  }

  /// Straight into the array's memory, which is taken only after the header passed the limits.
  private func pixels(
    of bytes: UnsafeRawBufferPointer, _ header: ImageHeader
  ) throws(ImageError) -> RGBImage {
    let (width, height) = (UInt32(header.width), UInt32(header.height))
    let count = header.width * header.height * 3
    var message = MocoMessage()
    var status = MocoStatus.ok
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { memory, initialized in
      switch header.format {
      case .jpeg:
        status = moco_jpeg_decode(
          bytes.baseAddress, bytes.count, width, height, UInt32(clamping: limits.maxProgressiveScans),
          memory.baseAddress, &message)
      case .png:
        status = moco_png_decode(
          bytes.baseAddress, bytes.count, width, height, memory.baseAddress, &message)
      case .webp:
        status = moco_webp_decode(
          bytes.baseAddress, bytes.count, width, height, memory.baseAddress, &message)
      }
      initialized = status == .ok ? count : 0
    }
    if let error = failure(status, header.format, message, outputBytes: count) { throw error }
    return RGBImage(width: header.width, height: header.height, pixels: pixels)
  }

  private func failure(
    _ status: MocoStatus, _ format: ImageFormat, _ message: MocoMessage, outputBytes: Int
  ) -> ImageError? {
    switch status {
    case .ok: nil
    case .truncated: .truncated(format)
    case .corrupt: .corrupt(format, detail: message.string)
    case .unsupported: .unsupported(format, detail: message.string)
    case .overLimit: .tooManyScans(limit: limits.maxProgressiveScans)
    case .outOfMemory: .outOfMemory(bytes: outputBytes)
    }
  }
}
