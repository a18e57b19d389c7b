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
    resize(
      height: height, width: width, rows: 0..<height, columns: 0..<width, isMirrored: isMirrored, into: out,
      rowBytes: width * 3)
  }

  /// A part of the resized box; the others are not computed.
  ///
  /// - Parameters:
  ///   - height: Of the whole result.
  ///   - rows: Those of the whole result that are wanted, and so `columns`.
  ///   - isMirrored: Whether left and right of the part are exchanged.
  ///   - rowBytes: From a row of `out` to the next; what lies between is left as it is.
  package func resize(
    height: Int, width: Int, rows: Range<Int>, columns: Range<Int>, isMirrored: Bool,
    into out: UnsafeMutableRawBufferPointer, rowBytes: Int
  ) {
    precondition(
      !rows.isEmpty && !columns.isEmpty && rows.lowerBound >= 0 && rows.upperBound <= height
        && columns.lowerBound >= 0 && columns.upperBound <= width,
      "rows \(rows) and columns \(columns) of \(height) × \(width) pixels")
    precondition(
      rowBytes >= columns.count * 3 && out.count >= (rows.count - 1) * rowBytes + columns.count * 3,
      "\(out.count) bytes in rows of \(rowBytes) for \(rows.count) × \(columns.count) pixels")
    var part = ct_part(
      height: Int64(height), width: Int64(width), top: Int64(rows.lowerBound),
      left: Int64(columns.lowerBound), rows: Int64(rows.count), columns: Int64(columns.count))
    var box = ct_box(
      pixels: bytes.bindMemory(to: UInt8.self).baseAddress, height: Int64(self.height),
      width: Int64(self.width), row_bytes: Int64(self.rowBytes))
    check(
      ct_resize_box(
        out.bindMemory(to: UInt8.self).baseAddress, Int64(rowBytes), &part, isMirrored, &box))
  }
}
