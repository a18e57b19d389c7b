import CTorch

/// A box of a picture in the CPU's memory.
package struct PixelBox {
  private let bytes: UnsafeRawBufferPointer
  private let height: Int
  private let width: Int
  private let rowBytes: Int

  /// - Parameters:
  ///   - bytes: From the box's first byte to its last, three a pixel.
  ///   - rowBytes: From a row to the next.
  package init(_ bytes: UnsafeRawBufferPointer, height: Int, width: Int, rowBytes: Int) {
    precondition(
      height > 0 && width > 0 && rowBytes >= 3 * width && bytes.count >= (height - 1) * rowBytes + 3 * width,
      "\(bytes.count) bytes are no \(height) × \(width) pixels in rows of \(rowBytes)")
    (self.bytes, self.height, self.width, self.rowBytes) = (bytes, height, width, rowBytes)
  }

  /// Resizes by Pillow's antialiased bilinear filter, as ``resizedBilinear(_:height:width:)`` does.
  ///
  /// - Parameters:
  ///   - out: height · width · 3 bytes.
  ///   - isMirrored: Whether left and right are exchanged.
  package func resize(height: Int, width: Int, isMirrored: Bool, into out: UnsafeMutableRawBufferPointer) {
    precondition(
      height > 0 && width > 0 && out.count == height * width * 3,
      "\(out.count) bytes for \(height) × \(width) pixels")
    var box = ct_box(
      pixels: bytes.bindMemory(to: UInt8.self).baseAddress, height: Int64(self.height),
      width: Int64(self.width), row_bytes: Int64(rowBytes))
    check(
      ct_resize_box(
        out.bindMemory(to: UInt8.self).baseAddress, Int64(height), Int64(width), isMirrored, &box))
  }
}
