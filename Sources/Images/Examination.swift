import CCodecs
import Foundation

/// The result of a test decode.
public enum DecodeVerdict: String, Sendable, Codable, CaseIterable {
  /// A whole picture.
  case ok
  /// The header is good, but the pixels end too early or are damaged: a picture with a gray or black rest.
  /// Training treats it as a bad file, as the published loader does.
  case truncatedOk = "truncated-ok"
  /// No picture, or one beyond the limits.
  case refused
}

/// The properties of an examined image file.
public struct Examination: Sendable, Equatable {
  public let verdict: DecodeVerdict
  /// Nil if the header could not be read.
  public let format: ImageFormat?
  /// The size of the decoded picture, turned upright if the decoder does that; 0 without a header.
  public let width: Int
  public let height: Int
  /// Mean of red, green and blue over the picture, 0...255, including the fill of missing pixels; nil if it
  /// was refused.
  public let mean: SIMD3<Double>?
  /// Whether every pixel has the same colour. Such an image decodes, but mostly something went wrong before.
  public let isOneColor: Bool
  /// Of a picture whose samples have more than 8 bits.
  public let samples: SampleRange?
  /// The reason if the verdict is not ok.
  public let error: ImageError?
}

extension ImageDecoder {
  /// Decodes a file as far as possible.
  public func examine(_ bytes: UnsafeRawBufferPointer, using scratch: DecodeScratch) -> Examination {
    var whole = PixelRegion(left: 0, top: 0, width: 0, height: 0)
    var format: ImageFormat?
    var samples: SampleRange?
    func result(
      _ verdict: DecodeVerdict, _ error: ImageError?, _ pixels: UnsafeRawBufferPointer? = nil
    ) -> Examination {
      Examination(
        verdict: verdict, format: format, width: whole.width, height: whole.height, mean: pixels.map(mean),
        isOneColor: pixels.map(isOneColor) ?? false, samples: samples, error: error)
    }
    do throws(ImageError) {
      let plan = try plan(for: bytes)
      (format, whole) = (plan.header.format, plan.whole)
      defer { scratch.shrink() }
      let memory = try scratch.pixels.zeros(whole.width * whole.height * 3)
      let (verdict, error, found) = plan.decodeTolerantly(into: memory)
      samples = found
      return result(verdict, error, verdict == .refused ? nil : UnsafeRawBufferPointer(memory))
    } catch {
      return result(.refused, error)
    }
  }
}

extension DecodePlan {
  /// Decodes the whole stored picture; missing pixels keep the buffer's content.
  fileprivate func decodeTolerantly(
    into memory: UnsafeMutableRawBufferPointer
  ) -> (DecodeVerdict, ImageError?, SampleRange?) {
    var decode = request(
      PixelRegion(left: 0, top: 0, width: header.width, height: header.height), into: memory)
    decode.tolerant = 1
    let status = run(&decode)
    if status == .ok { return (.ok, nil, SampleRange(decode)) }
    let error = ImageError(status, header, decode.message, limits, bytesNeeded: Int(decode.bytes_needed))
    let isDamage = status == .truncated || status == .corrupt
    return (isDamage && decode.begun != 0 ? .truncatedOk : .refused, error, SampleRange(decode))
  }
}

extension RGBImage {
  /// Mean of red, green and blue, 0...255.
  public var mean: SIMD3<Double> { withUnsafeBytes { Images.mean($0) } }

  /// Whether every pixel has the same colour.
  public var isOneColor: Bool { withUnsafeBytes { Images.isOneColor($0) } }
}

/// Compares each pixel with the next: the bytes with themselves, one pixel further.
func isOneColor(_ pixels: UnsafeRawBufferPointer) -> Bool {
  guard pixels.count > 3, let start = pixels.baseAddress else { return true }
  return memcmp(start, start + 3, pixels.count - 3) == 0
}

/// Mean of each channel; the sums stay below 2^63 for any number of bytes.
func mean(_ pixels: UnsafeRawBufferPointer) -> SIMD3<Double> {
  var (red, green, blue) = (0, 0, 0)
  for start in stride(from: 0, to: pixels.count, by: 3) {
    red &+= Int(pixels[start])
    green &+= Int(pixels[start + 1])
    blue &+= Int(pixels[start + 2])
  }
  return SIMD3(Double(red), Double(green), Double(blue)) / Double(pixels.count / 3)
}
