import CCodecs
import Foundation

/// A PNG file of a number for each pixel: with colours a palette, of which there are at most 256; without, gray.
///
/// - Parameter labels: height · width numbers, row by row.
/// - Throws: ``ImageError/outOfMemory(bytes:)``, or ``ImageError/cannotEncode(detail:)`` for a picture that PNG cannot
///   hold.
package func labelPNG(
  _ labels: [UInt8], height: Int, width: Int, colors: [SIMD3<UInt8>]
) throws(ImageError) -> Data {
  precondition(
    labels.count == height * width && colors.count <= 256,
    "\(labels.count) labels for \(height) × \(width) pixels, \(colors.count) colours")
  let palette = colors.flatMap { [$0.x, $0.y, $0.z] }
  return try encoded(width: width, height: height) { columns, rows, png, message in
    cc_png_encode_labels(labels, columns, rows, palette, Int32(colors.count), &png, &message)
  }
}
