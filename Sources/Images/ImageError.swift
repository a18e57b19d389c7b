import Files
import Foundation

/// The reason why an image could not be read or written, and how to fix it.
public enum ImageError: Error, Equatable, Sendable {
  /// The file cannot be opened or read; `reason` is the system's.
  case unreadable(reason: String)
  /// The fault is in the machine or its storage, not in the file.
  case unavailable(reason: String)
  case empty
  /// No ``ImageFormat``; the first bytes of the file.
  case unknownFormat(firstBytes: [UInt8])
  /// The file ends before its picture does.
  case truncated(ImageFormat)
  case corrupt(ImageFormat, detail: String)
  /// A legal file of a kind that is not decoded.
  case unsupported(ImageFormat, detail: String)
  /// A picture that gives no number for each pixel.
  case noLabels(ImageFormat, detail: String)
  case tooManyPixels(width: Int, height: Int, limit: Int)
  case fileTooLarge(bytes: Int, limit: Int)
  case tooManyScans(limit: Int)
  /// See ``DecodeLimits/maxWork``.
  case tooMuchWork(ImageFormat, limit: Int)
  /// See ``DecodeLimits/maxDecodeBytes``.
  case tooMuchMemory(bytes: Int, limit: Int)
  case outOfMemory(bytes: Int)
  case cannotEncode(detail: String)
  /// Any of the other errors, for the file at `path`.
  indirect case inFile(path: String, ImageError)

  /// The error without its file.
  public var reason: ImageError {
    if case .inFile(_, let inner) = self { inner.reason } else { self }
  }
}

extension ImageError: CustomStringConvertible, LocalizedError {
  public var errorDescription: String? { description }

  public var description: String {
    switch self {
    case .unreadable(let reason):
      "cannot be read: \(reason)"
    case .unavailable(let reason):
      "cannot be read now: \(reason); fix the machine or its storage and try again"
    case .empty:
      "the file is empty; fetch or copy it again"
    case .unknownFormat(let bytes):
      "not a \(ImageFormat.names) image (it begins with \(hexadecimal(bytes))); convert it or take it out"
    case .truncated(let format):
      "the \(format) image ends too early; fetch or copy it again"
    case .corrupt(let format, let detail):
      "the \(format) image is damaged (\(detail)); fetch or copy it again"
    case .unsupported(let format, let detail):
      "this kind of \(format) image is not supported (\(detail))"
        + (detail.contains("--depth") ? "" : "; save it as plain 8-bit RGB")
    case .noLabels(let format, let detail):
      "this \(format) image has no labels (\(detail)); save labels as PNG, gray or with a palette"
    case .tooManyPixels(let width, let height, let limit):
      "the image is \(width) x \(height) = \(short(Double(width) * Double(height))) pixels, over the limit of "
        + "\(short(Double(limit))); scale it down or raise --max-pixels"
    case .fileTooLarge(let bytes, let limit):
      "the file has \(short(Double(bytes))) bytes, over the limit of \(short(Double(limit))); "
        + "make it smaller, or raise this limit with --max-pixels \(DecodeLimits.pixels(for: bytes, standard: DecodeLimits().maxFileBytes))"
    case .tooManyScans(let limit):
      "the progressive JPEG has more than \(limit) scans, which no encoder needs; save it again"
    case .tooMuchWork(let format, let limit):
      "the \(format) image is over the limit of \(short(Double(limit))) on "
        + (format == .jpeg
          ? "its pixels times its scans; scale it down, save it as a baseline JPEG, or raise --max-pixels, which raises this limit too"
          : "its bytes before compression, doubled, and again if interlaced; scale it down, save it as plain 8-bit RGB, "
            + "or raise --max-pixels, which raises this limit too")
    case .tooMuchMemory(let bytes, let limit):
      "decoding the image takes \(short(Double(bytes))) bytes, over the limit of \(short(Double(limit))); "
        + "scale it down, or raise this limit with --max-pixels \(DecodeLimits.pixels(for: bytes, standard: DecodeLimits().maxDecodeBytes))"
    case .outOfMemory(let bytes):
      "not enough memory for the image's \(short(Double(bytes))) bytes; use fewer workers or smaller images"
    case .cannotEncode(let detail):
      "cannot be encoded: \(detail)"
    case .inFile(let path, let inner):
      "\(path): \(inner)"
    }
  }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}
