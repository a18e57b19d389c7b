/// The filter by which pictures are resized, widened for reductions as Pillow's are.
public enum Interpolation: String, Codable, Sendable, CaseIterable {
  case bilinear
  /// Cubic convolution with a = −0.5.
  case bicubic
}

/// How a picture of any size becomes a square in evaluation. As text: `256`, `0.9` or `squash`.
public enum Resizing: Sendable, Equatable {
  /// The shorter side gets so many pixels; then the centre is cut out (torchvision's `Resize` and `CenterCrop`).
  case shortSide(Int)
  /// The same, with a square that is this share of the shorter side: timm's `crop_pct`.
  case cropShare(Double)
  /// All of the picture is resized to the square, whatever its sides.
  case squash

  /// Pixels of the shorter side for a square of `size` pixels; nil where the picture is squashed.
  public func shortSide(of size: Int) -> Int? {
    switch self {
    case .shortSide(let pixels): pixels
    case .cropShare(let share): Int(clampingQuotient: Double(size) / share)
    case .squash: nil
    }
  }
}

extension Resizing: LosslessStringConvertible, Codable {
  /// A whole number above 1 is the shorter side in pixels, any other number up to 1 a share.
  public init?(_ text: String) {
    if text == "squash" {
      self = .squash
    } else if let pixels = Int(text), pixels > 1 {
      self = .shortSide(pixels)
    } else if let share = Double(text), share > 0, share <= 1 {
      self = .cropShare(share)
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .shortSide(let pixels): "\(pixels)"
    case .cropShare(let share): "\(share)"
    case .squash: "squash"
    }
  }

  public init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    let text = try value.decode(String.self)
    guard let resizing = Resizing(text) else {
      throw DecodingError.dataCorruptedError(in: value, debugDescription: "\(text) is no way to resize")
    }
    self = resizing
  }

  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(description)
  }
}

/// 256 for 224, in proportion for other sizes: the shorter side where a network's spec names none.
public func evaluationShortSide(_ size: Int) -> Int { Int((256.0 / 224 * Double(size)).rounded()) }

extension Int {
  /// A quotient rounded down, at most `Int.max`.
  fileprivate init(clampingQuotient value: Double) { self = Int(exactly: value.rounded(.down)) ?? .max }
}
