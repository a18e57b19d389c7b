import CCodecs

/// An image whose header is within the limits, ready to be decoded.
package struct DecodePlan {
  package let bytes: UnsafeRawBufferPointer
  package let header: ImageHeader
  package let orientation: Orientation
  package let limits: DecodeLimits
  let depth: Depth

  /// The whole picture, in the orientation of the result.
  package var whole: PixelRegion {
    let turned = orientation.swapsSides
    return PixelRegion(
      left: 0, top: 0, width: turned ? header.height : header.width,
      height: turned ? header.width : header.height)
  }

  /// Decodes a region of ``whole`` into a buffer of exactly its size.
  package func decode(
    _ region: PixelRegion, into memory: UnsafeMutableRawBufferPointer, _ scratch: DecodeScratch
  ) throws(ImageError) {
    if orientation == .upright {
      try run(region, into: memory)
    } else {
      let stored = orientation.stored(region, of: whole)
      let pixels = try scratch.stored.room(for: memory.count)
      try run(stored, into: pixels)
      orientation.turn(UnsafeRawBufferPointer(pixels), stored.width, stored.height, into: memory)
    }
  }

  private func run(_ region: PixelRegion, into memory: UnsafeMutableRawBufferPointer) throws(ImageError) {
    var decode = request(region, into: memory)
    let status = run(&decode)
    guard status == .ok else {
      throw ImageError(status, header, decode.message, limits, bytesNeeded: Int(decode.bytes_needed))
    }
  }

  package func run(_ decode: inout cc_decode) -> cc_status {
    switch header.format {
    case .jpeg: cc_jpeg_decode(&decode)
    case .png: cc_png_decode(&decode)
    case .webp: cc_webp_decode(&decode)
    case .tiff: cc_tiff_decode(&decode)
    case .bmp: cc_bmp_decode(&decode)
    case .gif: cc_gif_decode(&decode)
    case .pnm: cc_pnm_decode(&decode)
    case .avif: cc_avif_decode(&decode)
    }
  }

  /// The codec's request for a region of the stored picture.
  package func request(_ region: PixelRegion, into memory: UnsafeMutableRawBufferPointer) -> cc_decode {
    let picture = header.width * header.height * 3
    var decode = cc_decode()
    decode.bytes = bytes.baseAddress
    decode.count = bytes.count
    decode.width = UInt32(header.width)
    decode.height = UInt32(header.height)
    decode.region = cc_region(
      left: UInt32(region.left), top: UInt32(region.top), width: UInt32(region.width),
      height: UInt32(region.height))
    decode.pixels = memory.bindMemory(to: UInt8.self).baseAddress
    decode.depth = depth.request
    decode.max_scans = UInt32(clamping: limits.maxProgressiveScans)
    decode.max_work = UInt64(limits.maxWork)
    decode.max_bytes = UInt64(limits.maxDecodeBytes)
    decode.held_bytes = UInt64(orientation == .upright ? picture : 2 * picture)
    return decode
  }
}

extension ImageError {
  /// The error for a codec's status; `status` is not ok.
  package init(
    _ status: cc_status, _ header: ImageHeader, _ message: cc_message, _ limits: DecodeLimits,
    bytesNeeded: Int
  ) {
    self =
      switch status {
      case .truncated: .truncated(header.format)
      case .unsupported: .unsupported(header.format, detail: message.string)
      case .overScans: .tooManyScans(limit: limits.maxProgressiveScans)
      case .overWork: .tooMuchWork(header.format, limit: limits.maxWork)
      case .overMemory: .tooMuchMemory(bytes: bytesNeeded, limit: limits.maxDecodeBytes)
      case .outOfMemory: .outOfMemory(bytes: header.width * header.height * 3)
      case .ok, .corrupt: .corrupt(header.format, detail: message.string)
      }
  }
}
