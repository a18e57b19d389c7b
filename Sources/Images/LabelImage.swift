import CCodecs
import Files

/// A number for each pixel, from a grey or palette PNG: classes, or numbers of objects.
public struct LabelImage: Sendable, Equatable {
  public let height: Int
  public let width: Int
  /// Row by row.
  public private(set) var labels: [UInt16]

  /// Traps unless there are `height * width` labels.
  public init(height: Int, width: Int, labels: [UInt16]) {
    precondition(
      height > 0 && width > 0 && labels.count == height * width,
      "\(labels.count) labels for \(height) × \(width) pixels")
    (self.height, self.width, self.labels) = (height, width, labels)
  }

  /// Reads a PNG file.
  ///
  /// - Throws: ``ImageError/inFile(path:_:)``; a picture with colours is ``ImageError/unsupported(_:detail:)``.
  public init(contentsOf path: String, limits: DecodeLimits = DecodeLimits()) throws(ImageError) {
    do throws(ImageError) {
      self = try Self.decoded(readFile(path, limit: limits.maxFileBytes), limits)
    } catch { throw .inFile(path: path, error) }
  }

  private static func decoded(_ file: [UInt8], _ limits: DecodeLimits) throws(ImageError) -> LabelImage {
    let header = try ImageDecoder(limits: limits).header(of: file)
    guard header.format == .png else {
      throw .unsupported(header.format, detail: "labels are read from PNG alone")
    }
    let (height, width) = (header.height, header.width)
    guard width * height <= min(limits.maxPixels, Int(Int32.max)) else {
      throw .tooManyPixels(width: width, height: height, limit: limits.maxPixels)
    }
    var message = cc_message()
    var status = cc_status.ok
    let labels = [UInt16](unsafeUninitializedCapacity: width * height) { memory, count in
      file.withUnsafeBytes {
        status = cc_png_labels(
          $0.baseAddress, $0.count, UInt32(width), UInt32(height), memory.baseAddress, &message)
      }
      count = status == .ok ? width * height : 0
    }
    guard status == .ok else { throw ImageError(status, header, message, limits, bytesNeeded: 0) }
    return LabelImage(height: height, width: width, labels: labels)
  }
}
