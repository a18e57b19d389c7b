import CCodecs
import Foundation

/// Decodes every ``ImageFormat`` to 8-bit RGB, with the same values as Pillow's `Image.open(file).convert("RGB")`.
///
/// Gray becomes three equal channels, alpha is dropped (not blended), a JPEG's CMYK follows Adobe's inverted
/// convention, and an animation or a file of several pages gives the first. Samples of more than 8 bits become
/// levels by ``depth``, where Pillow clips gray at 255. A TIFF is turned upright, as by Pillow. A file that ends
/// too early is an error, never a picture with a gray rest.
///
/// A decoder has no state: threads can share one value.
public struct ImageDecoder: Sendable {
  public var limits: DecodeLimits
  /// Whether to turn the picture upright by its EXIF orientation. Off by default, because the published data
  /// pipelines (`Image.open(file).convert("RGB")`) do not turn it either.
  public var appliesOrientation: Bool
  /// How samples of more than 8 bits become levels.
  public var depth: Depth

  public init(
    limits: DecodeLimits = DecodeLimits(), appliesOrientation: Bool = false, depth: Depth = .automatic
  ) {
    self.limits = limits
    self.appliesOrientation = appliesOrientation
    self.depth = depth
  }

  /// The format and size, from the first bytes of the file. Nothing is decoded and no limit is checked.
  public func header(of bytes: UnsafeRawBufferPointer) throws(ImageError) -> ImageHeader {
    guard !bytes.isEmpty else { throw .empty }
    guard let format = ImageFormat(sniffing: bytes) else {
      throw .unknownFormat(firstBytes: Array(bytes.prefix(8)))
    }
    var message = cc_message()
    var width: UInt32 = 0
    var height: UInt32 = 0
    let size =
      switch format {
      case .jpeg: cc_jpeg_size
      case .png: cc_png_size
      case .webp: cc_webp_size
      case .tiff: cc_tiff_size
      case .bmp: cc_bmp_size
      case .gif: cc_gif_size
      case .pnm: cc_pnm_size
      case .avif: cc_avif_size
      }
    let status = size(bytes.baseAddress, bytes.count, &width, &height, &message)
    guard status == .ok else {
      throw ImageError(
        status, ImageHeader(format: format, width: 0, height: 0), message, limits, bytesNeeded: 0)
    }
    return ImageHeader(format: format, width: Int(width), height: Int(height))
  }

  /// Decodes a file's bytes, which are only read and not kept.
  ///
  /// - Throws: an ``ImageError`` for anything that is not a whole image within the limits.
  public func decode(_ bytes: UnsafeRawBufferPointer) throws(ImageError) -> RGBImage {
    let plan = try plan(for: bytes)
    let region = plan.whole
    var problem: ImageError?
    let pixels = [UInt8](unsafeUninitializedCapacity: region.width * region.height * 3) {
      memory, initialized in
      do throws(ImageError) {
        try plan.decode(region, into: UnsafeMutableRawBufferPointer(memory), DecodeScratch())
        initialized = region.width * region.height * 3
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
    return RGBImage(width: region.width, height: region.height, pixels: pixels)
  }

  /// Decodes a part of an image into reusable memory.
  ///
  /// A JPEG's columns and rows outside the region are skipped as far as its blocks allow; the pixels are
  /// identical to those of the whole picture. Whether a file is good does not depend on the region.
  ///
  /// - Parameters:
  ///   - bytes: A file, which is only read and not kept.
  ///   - scratch: The calling thread's.
  ///   - region: Called once, with the picture's width and height, after the header and the limits were
  ///     checked. Its result must not be empty and must lie inside the picture.
  ///   - body: Called with the pixels, which are valid until it returns.
  /// - Throws: an ``ImageError`` for anything that is not a whole image within the limits, and the errors of
  ///   the closures.
  public func withPixels<Value>(
    of bytes: UnsafeRawBufferPointer, using scratch: DecodeScratch,
    region: (_ width: Int, _ height: Int) throws -> PixelRegion,
    _ body: (borrowing DecodedPixels) throws -> Value
  ) throws -> Value {
    let plan = try plan(for: bytes)
    let (width, height) = (plan.whole.width, plan.whole.height)
    let wanted = try region(width, height)
    precondition(wanted.fits(width, height), "\(wanted) of an image of \(width) x \(height)")
    defer { scratch.shrink() }
    let memory = try scratch.pixels.room(for: wanted.width * wanted.height * 3)
    try plan.decode(wanted, into: memory, scratch)
    return try body(
      DecodedPixels(
        bytes: UnsafeRawBufferPointer(memory), rowBytes: wanted.width * 3, region: wanted, width: width,
        height: height))
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

  /// Checks the header against the limits.
  package func plan(for bytes: UnsafeRawBufferPointer) throws(ImageError) -> DecodePlan {
    guard bytes.count <= limits.maxFileBytes else {
      throw .fileTooLarge(bytes: bytes.count, limit: limits.maxFileBytes)
    }
    let header = try header(of: bytes)
    // Both factors are below 2^31, so their product fits an Int, and so do a few bytes for each allowed
    // pixel.
    let limit = min(limits.maxPixels, Int(Int32.max))
    guard header.width * header.height <= limit else {
      throw .tooManyPixels(width: header.width, height: header.height, limit: limit)
    }
    // A TIFF's orientation is a part of the format, which Pillow always follows.
    let isTurned = appliesOrientation || header.format == .tiff
    let orientation = isTurned ? Orientation(in: bytes, header.format) : nil
    return DecodePlan(
      bytes: bytes, header: header, orientation: orientation ?? .upright, limits: limits, depth: depth)
  }
}
