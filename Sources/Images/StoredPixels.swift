import CCodecs
import Files

/// A PNG's pixels as they are stored: gray samples, places in a palette, or colours, with no number changed.
package struct StoredPixels: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    case gray
    /// Red, green and blue of each place.
    case palette([SIMD3<UInt8>])
    case colors
  }

  package let height: Int
  package let width: Int
  package let kind: Kind
  /// Bytes of a pixel: 1; 2 for gray of 16 bits, the high one first; 3 for colours.
  package let sampleBytes: Int
  /// Row by row without gaps.
  package let bytes: [UInt8]

  /// Reads a PNG file.
  ///
  /// - Parameter colors: Whether pictures of colours are read. Their alpha is left out.
  /// - Throws: ``ImageError/inFile(path:_:)``; a picture without numbers is ``ImageError/noLabels(_:detail:)``.
  package init(
    contentsOf path: String, limits: DecodeLimits = DecodeLimits(), colors: Bool = false
  ) throws(ImageError) {
    do throws(ImageError) {
      try self.init(readFile(path, limit: limits.maxFileBytes), limits, colors: colors)
    } catch { throw .inFile(path: path, error) }
  }

  package init(_ file: [UInt8], _ limits: DecodeLimits, colors: Bool) throws(ImageError) {
    let header = try ImageDecoder(limits: limits).header(of: file)
    let (sample, isPalette) = try Self.sample(of: file, header, limits, colors: colors)
    let (height, width) = (header.height, header.width)
    let limit = min(limits.maxPixels, Int(Int32.max))
    guard width * height <= limit else {
      throw .tooManyPixels(width: width, height: height, limit: limit)
    }
    let count = width * height * sample
    guard count <= limits.maxDecodeBytes else {
      throw .tooMuchMemory(bytes: count, limit: limits.maxDecodeBytes)
    }
    var wanted = cc_samples()
    var palette = [UInt8](repeating: 0, count: 256 * 3)
    var status = cc_status.ok
    bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
      file.withUnsafeBytes { file in
        palette.withUnsafeMutableBufferPointer { palette in
          (wanted.bytes, wanted.count) = (file.baseAddress, file.count)
          (wanted.width, wanted.height, wanted.sample) = (UInt32(width), UInt32(height), sample)
          (wanted.samples, wanted.palette) = (memory.baseAddress, palette.baseAddress)
          (wanted.max_work, wanted.max_bytes) = (UInt64(limits.maxWork), UInt64(limits.maxDecodeBytes))
          status = cc_png_samples(&wanted)
        }
      }
      filled = status == .ok ? count : 0
    }
    guard status == .ok else {
      throw ImageError(status, header, wanted.message, limits, bytesNeeded: count)
    }
    (self.height, self.width, sampleBytes) = (height, width, sample)
    let colours = (0..<Int(wanted.palette_count)).map {
      SIMD3(palette[3 * $0], palette[3 * $0 + 1], palette[3 * $0 + 2])
    }
    kind = sample == 3 ? .colors : isPalette ? .palette(colours) : .gray
  }

  /// The bytes of a pixel.
  private static func sample(
    of file: [UInt8], _ header: ImageHeader, _ limits: DecodeLimits, colors: Bool
  ) throws(ImageError) -> (bytes: Int, isPalette: Bool) {
    guard header.format == .png else {
      throw .noLabels(
        header.format,
        detail: header.format == .jpeg
          ? "the compression of JPEG changes the numbers of pixels" : "labels are read from PNG alone")
    }
    var message = cc_message()
    var (sample, isPalette) = (0, Int32(0))
    let status = file.withUnsafeBytes {
      cc_png_sample($0.baseAddress, $0.count, &sample, &isPalette, &message)
    }
    guard status == .ok else { throw ImageError(status, header, message, limits, bytesNeeded: 0) }
    guard sample == 1 || sample == 2 || sample == 3 && colors else {
      throw .noLabels(.png, detail: "it has colours, and not a number for each pixel")
    }
    return (sample, isPalette != 0)
  }
}
