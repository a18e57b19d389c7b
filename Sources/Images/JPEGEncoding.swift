import CCodecs
import Foundation

extension RGBImage {
  /// The picture as a baseline JPEG file.
  ///
  /// Colour keeps its full resolution (4:4:4): crops of small pictures are enlarged, and halved colour would show.
  ///
  /// - Parameter quality: libjpeg's scale, 1 to 100.
  /// - Throws: ``ImageError/outOfMemory(bytes:)``, or ``ImageError/cannotEncode(detail:)`` for a side of more than
  ///   65500 pixels.
  public func jpegData(quality: Int = 90) throws(ImageError) -> Data {
    precondition((1...100).contains(quality), "a quality of \(quality), want 1...100")
    return try encoded(width: width, height: height) { columns, rows, jpeg, message in
      pixels.withUnsafeBufferPointer {
        cc_jpeg_encode($0.baseAddress, columns, rows, Int32(quality), &jpeg, &message)
      }
    }
  }
}
