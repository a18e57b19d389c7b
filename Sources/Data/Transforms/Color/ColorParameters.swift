import Torch

/// One operation on the colours of a sample, with its parameter.
package enum ColorOperation: Sendable, Equatable {
  /// Levels times `factor`.
  case brightness(Double)
  /// Away from (above 1) or towards (below 1) the picture's mean luma.
  case contrast(Double)
  /// Away from or towards each pixel's luma.
  case saturation(Double)
  /// Around the colour circle by so many turns, −0.5...0.5.
  case hue(Double)
  case grayscale
  /// Standard deviation in pixels.
  case blur(sigma: Double)
  case solarize

  enum Kind: Int, CaseIterable, Sendable {
    case brightness, contrast, saturation, hue, grayscale, blur, solarize
  }

  var kind: Kind {
    switch self {
    case .brightness: .brightness
    case .contrast: .contrast
    case .saturation: .saturation
    case .hue: .hue
    case .grayscale: .grayscale
    case .blur: .blur
    case .solarize: .solarize
    }
  }
}

/// The colour operations on one sample in one view, drawn before any pixel is touched.
package struct ColorParameters: Sendable, Equatable {
  /// In order. nil is a place that the recipe has and the draw left empty, so that the same place of two samples
  /// belongs to the same step: jitter has four, every other colour step one.
  package var operations: [ColorOperation?]

  package init(_ operations: [ColorOperation?]) { self.operations = operations }
}

extension Transform {
  /// The draw for one sample's view; the same arguments give the same parameters at any time.
  package func colorParameters(seed: UInt64, epoch: Int, sample: Int, view: Int) -> ColorParameters {
    var generator = CounterGenerator(seed: seed, .color, epoch, sample, view)
    return ColorParameters(steps.flatMap { $0.drawColor(using: &generator) })
  }
}

extension TransformOp {
  /// Takes the same number of draws whatever their outcome, so that each step's depend on its own place only.
  fileprivate func drawColor(using generator: inout CounterGenerator) -> [ColorOperation?] {
    switch self {
    case .crop, .flip, .randAugment:
      return []
    case .jitter(let brightness, let contrast, let saturation, let hue, let probability):
      let happens = generator.chance(probability)
      let order = generator.permutation(4)
      let factors = [brightness, contrast, saturation].map { generator.uniform(max(0, 1 - $0)...1 + $0) }
      let turns = generator.uniform(-hue...hue)
      let operations: [ColorOperation?] = [
        brightness > 0 ? .brightness(factors[0]) : nil,
        contrast > 0 ? .contrast(factors[1]) : nil,
        saturation > 0 ? .saturation(factors[2]) : nil,
        hue > 0 ? .hue(turns) : nil,
      ]
      return order.map { happens ? operations[$0] : nil }
    case .grayscale(let probability):
      return [generator.chance(probability) ? .grayscale : nil]
    case .blur(let sigma, let probability):
      let happens = generator.chance(probability)
      let drawn = generator.uniform(sigma)
      return [happens ? .blur(sigma: drawn) : nil]
    case .solarize(let probability):
      return [generator.chance(probability) ? .solarize : nil]
    }
  }
}
