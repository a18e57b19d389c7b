import Foundation
import Torch

/// Random operations on a picture (Cubuk et al. 2020, "RandAugment"), as timm draws them: for each layer one operation of
/// fifteen, done with a probability and with a magnitude from a normal distribution. Operations become stronger with the
/// magnitude (timm's `inc1`).
///
/// As text it is timm's `rand-m9-mstd0.5-inc1`.
public struct RandAugment: Sendable, Equatable {
  /// Operations drawn for a picture.
  public var layers: Int
  /// 0 ... 10.
  public var magnitude: Double
  /// The standard deviation of the magnitude, which stays within 0 ... 10.
  public var deviation: Double
  /// The chance of each drawn operation.
  public var probability: Double

  /// The largest magnitude.
  static let largestMagnitude = 10.0

  public init(layers: Int = 2, magnitude: Double = 9, deviation: Double = 0.5, probability: Double = 0.5) {
    precondition(
      (1...Self.mostLayers).contains(layers) && (0...Self.largestMagnitude).contains(magnitude)
        && deviation >= 0 && deviation.isFinite && (0...1).contains(probability),
      "RandAugment of \(layers) layers, magnitude \(magnitude) ± \(deviation), probability \(probability)")
    (self.layers, self.magnitude) = (layers, magnitude)
    (self.deviation, self.probability) = (deviation, probability)
  }

  static let mostLayers = 15

  /// The operations on one sample's view, in order; the same arguments give the same ones at any time.
  package func operations(seed: UInt64, epoch: Int, sample: Int, view: Int) -> [PixelOperation] {
    var generator = CounterGenerator(seed: seed, .randAugment, epoch, sample, view)
    return (0..<layers).compactMap { _ in
      // As many draws whatever comes of them, so that a layer's depend on its own place only.
      let kind = PixelOperation.Kind.allCases[generator.index(below: PixelOperation.Kind.allCases.count)]
      let happens = generator.chance(probability)
      let drawn = magnitude + deviation * generator.normal()
      let isNegative = generator.chance(0.5)
      guard happens else { return nil }
      return PixelOperation(
        kind, magnitude: min(max(drawn, 0), Self.largestMagnitude), isNegative: isNegative)
    }
  }
}

extension Transform {
  /// The operations on the bytes of one sample's view, in order.
  package func pixelOperations(seed: UInt64, epoch: Int, sample: Int, view: Int) -> [PixelOperation] {
    steps.flatMap { step -> [PixelOperation] in
      guard case .randAugment(let augment) = step else { return [] }
      return augment.operations(seed: seed, epoch: epoch, sample: sample, view: view)
    }
  }

  /// The colour of pixels from outside of a turned picture: the mean, as timm rounds it.
  var fill: [UInt8] { normalization.mean.map { UInt8(min(255, (255 * $0).rounded(.toNearestOrEven))) } }
}

extension RandAugment: LosslessStringConvertible {
  /// The forms of ``description``, as the end of "give …".
  public static let form = "timm's form with operations that grow with the magnitude, as rand-m9-mstd0.5-inc1"

  /// `rand`, then sections in any order, as timm writes them: `m` magnitude, `n` layers, `p` probability, `mstd` standard
  /// deviation of the magnitude. `inc1` must be among them: other operations are not here.
  public init?(_ text: String) {
    let sections = text.split(separator: "-", omittingEmptySubsequences: false)
    guard sections.first == "rand" else { return nil }
    var (layers, magnitude, deviation, probability) = (2, Self.largestMagnitude, 0.0, 0.5)
    var isIncreasing = false
    for section in sections.dropFirst() {
      let name = section.prefix { $0.isLetter }
      guard let value = Double(section.dropFirst(name.count)), value >= 0, value.isFinite else { return nil }
      switch name {
      case "m" where value <= Self.largestMagnitude: magnitude = value
      case "n" where (1...Double(Self.mostLayers)).contains(value) && value == value.rounded():
        layers = Int(value)
      case "p" where value <= 1: probability = value
      // From 100 on timm draws uniformly.
      case "mstd" where value <= 100: deviation = value
      case "inc" where value == 1: isIncreasing = true
      default: return nil
      }
    }
    guard isIncreasing else { return nil }
    self.init(layers: layers, magnitude: magnitude, deviation: deviation, probability: probability)
  }

  public var description: String {
    func short(_ value: Double) -> String { value == value.rounded() ? "\(Int(value))" : "\(value)" }
    return "rand-m\(short(magnitude))" + (layers == 2 ? "" : "-n\(layers)")
      + (probability == 0.5 ? "" : "-p\(short(probability))")
      + (deviation == 0 ? "" : "-mstd\(short(deviation))") + "-inc1"
  }
}

extension RandAugment: Codable {
  public init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    let text = try value.decode(String.self)
    guard let found = RandAugment(text) else {
      throw DecodingError.dataCorruptedError(
        in: value, debugDescription: "`\(text)` is not \(RandAugment.form)")
    }
    self = found
  }

  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(description)
  }
}
