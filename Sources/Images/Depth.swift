import CCodecs

/// The way from samples of more than 8 bits (PNG, TIFF, PGM, PPM) to levels of 8 bits. Images of 8 bits or fewer,
/// JPEG, WebP, BMP, GIF and AVIF do not depend on it.
///
/// As text: `auto`, `8` to `16`, or `window:LO,HI`.
public enum Depth: Sendable, Equatable {
  /// By the range of the file: a PNG's 16 bits, the maximal value of a PGM or PPM, the smallest and largest sample
  /// value (`SMinSampleValue`, `SMaxSampleValue`) of a TIFF that declares them, otherwise its bits. It is the same
  /// for all images of a kind, bright or dark, and clips nothing.
  ///
  /// A PNG's chunk `sBIT` does not count: by the standard samples fill their 16 bits whatever it says.
  case automatic
  /// Samples 0 ... 2^bits − 1 become 0 ... 255, larger ones white; 9 to 16 bits. With 8, gray is clipped at 255 and
  /// colour keeps its high byte, as in Pillow and in older versions of this program.
  case bits(Int)
  /// Samples `low` ... `high` become 0 ... 255, others black or white; both are finite, and `low` is less. It also
  /// reads TIFF samples without a range of their own: signed, 32 bits, or floats.
  case window(low: Double, high: Double)

  var request: cc_depth {
    switch self {
    case .automatic: cc_depth(kind: .file, low: 0, high: 0)
    case .bits(8): cc_depth(kind: .pillow, low: 0, high: 0)
    case .bits(let bits): cc_depth(kind: .range, low: 0, high: Double((1 << bits) - 1))
    case .window(let low, let high): cc_depth(kind: .range, low: low, high: high)
    }
  }
}

extension Depth: LosslessStringConvertible {
  public init?(_ text: String) {
    if text == "auto" {
      self = .automatic
    } else if let bits = Int(text), (8...16).contains(bits) {
      self = .bits(bits)
    } else if let window = text.wholeMatch(of: /window:([^,]+),([^,]+)/),
      let low = Double(window.1), let high = Double(window.2), low.isFinite, high.isFinite, low < high
    {
      self = .window(low: low, high: high)
    } else {
      return nil
    }
  }

  public var description: String {
    func short(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }
    return switch self {
    case .automatic: "auto"
    case .bits(let bits): "\(bits)"
    case .window(let low, let high): "window:\(short(low)),\(short(high))"
    }
  }

  /// The forms of its text, for messages.
  public static var form: String { "auto, 8 to 16, or window:LO,HI" }
}

extension Depth: Codable {
  /// Text, or a whole number.
  public init(from decoder: any Decoder) throws {
    let place = try decoder.singleValueContainer()
    let text = try (try? place.decode(Int.self)).map { "\($0)" } ?? place.decode(String.self)
    guard let depth = Depth(text) else {
      throw DecodingError.dataCorruptedError(
        in: place, debugDescription: "`\(text)` is not one of \(Depth.form)")
    }
    self = depth
  }

  public func encode(to encoder: any Encoder) throws {
    var place = encoder.singleValueContainer()
    if case .bits(let bits) = self { try place.encode(bits) } else { try place.encode(description) }
  }
}

/// The samples of an image of more than 8 bits.
public struct SampleRange: Sendable, Equatable {
  /// The smallest and the largest, alpha left out.
  public let lowest: Double
  public let highest: Double
  /// The samples that became 0 and 255.
  public let black: Double
  public let white: Double

  public init(lowest: Double, highest: Double, black: Double, white: Double) {
    (self.lowest, self.highest, self.black, self.white) = (lowest, highest, black, white)
  }

  init?(_ decode: cc_decode) {
    guard decode.deep != 0, decode.lowest <= decode.highest else { return nil }
    self.init(lowest: decode.lowest, highest: decode.highest, black: decode.low, white: decode.high)
  }

  /// Whether samples became black or white because they lie outside of the range.
  public var isClipped: Bool { lowest < black || highest > white }

  /// The two together: of images with different ranges the wider one.
  public func union(_ other: SampleRange) -> SampleRange {
    SampleRange(
      lowest: min(lowest, other.lowest), highest: max(highest, other.highest), black: min(black, other.black),
      white: max(white, other.white))
  }

  /// A `--depth` whose range fits the samples, where they leave at least half of theirs unused, as 12 bits in 16
  /// do; nil for others.
  public var fittingDepth: Depth? {
    guard black == 0, lowest >= 0, highest >= 1, highest < (white + 1) / 2 else { return nil }
    let bits = [8, 10, 12, 14].first { highest < Double(1 << $0) }
    return bits.map { $0 == 8 ? .window(low: 0, high: 255) : .bits($0) }
      ?? .window(low: 0, high: highest.rounded(.up))
  }
}
