import Torch

/// Mixing of a batch's images with those of the batch turned round, and of their labels: mixup (Zhang et al. 2018) or
/// CutMix (Yun et al. 2019), drawn once for a batch, as timm's `Mixup` in its mode `batch`.
public struct Mixup: Sendable, Equatable {
  /// α of mixup's Beta(α, α); 0 leaves it out.
  public var mixupAlpha: Double
  /// α of CutMix's; 0 leaves it out.
  public var cutmixAlpha: Double
  /// The chance that a batch is mixed.
  public var probability: Double
  /// The chance of CutMix, where both are there.
  public var switchProbability: Double

  public init(
    mixupAlpha: Double = 0, cutmixAlpha: Double = 0, probability: Double = 1, switchProbability: Double = 0.5
  ) {
    precondition(
      mixupAlpha >= 0 && mixupAlpha.isFinite && cutmixAlpha >= 0 && cutmixAlpha.isFinite,
      "α of \(mixupAlpha) and \(cutmixAlpha)")
    precondition(
      (0...1).contains(probability) && (0...1).contains(switchProbability),
      "probabilities of \(probability) and \(switchProbability)")
    (self.mixupAlpha, self.cutmixAlpha) = (mixupAlpha, cutmixAlpha)
    (self.probability, self.switchProbability) = (probability, switchProbability)
  }

  /// Whether any batch is mixed.
  public var isActive: Bool { probability > 0 && (mixupAlpha > 0 || cutmixAlpha > 0) }

  /// How one batch is mixed.
  package enum Mixing: Sendable, Equatable {
    case none
    /// λ of each image and 1 − λ of the other.
    case mixup(share: Double)
    /// A box of the other image; λ is the area's share that is left.
    case cutmix(rows: Range<Int>, columns: Range<Int>, share: Double)

    /// λ, the share of an image's own label.
    package var share: Double {
      switch self {
      case .none: 1
      case .mixup(let share), .cutmix(_, _, let share): share
      }
    }
  }

  /// The draw for a batch of an epoch; the same arguments give the same mixing at any time.
  package func mixing(seed: UInt64, epoch: Int, batch: Int, height: Int, width: Int) -> Mixing {
    var generator = CounterGenerator(seed: seed, .mixing, epoch, batch)
    guard isActive, generator.chance(probability) else { return .none }
    let isCut =
      mixupAlpha > 0 && cutmixAlpha > 0 ? generator.chance(switchProbability) : cutmixAlpha > 0
    let share = generator.beta(isCut ? cutmixAlpha : mixupAlpha)
    guard isCut else { return .mixup(share: share) }
    let (y, x) = (generator.index(below: height), generator.index(below: width))
    return .cutmix(share: share, centerY: y, centerX: x, height: height, width: width)
  }
}

extension Mixup.Mixing {
  /// A box of 1 − λ of the area about a place, cut off at the borders; λ is corrected by what was cut off.
  package static func cutmix(
    share: Double, centerY: Int, centerX: Int, height: Int, width: Int
  ) -> Mixup.Mixing {
    let ratio = (1 - share).squareRoot()
    func range(_ center: Int, _ side: Int) -> Range<Int> {
      let cut = Int(Double(side) * ratio)
      return max(0, center - cut / 2)..<min(side, center + (cut + 1) / 2)
    }
    let (rows, columns) = (range(centerY, height), range(centerX, width))
    let area = Double(rows.count * columns.count) / Double(height * width)
    return .cutmix(rows: rows, columns: columns, share: 1 - area)
  }

  /// Mixes images in place, N×3×H×W.
  package func apply(to images: Tensor) {
    withNoGrad {
      switch self {
      case .none: return
      case .mixup(let share):
        let others = images.flipped(dim: 0)
        images.multiply(by: share)
        images.add(others, scale: 1 - share)
      case .cutmix(let rows, let columns, _):
        guard !rows.isEmpty, !columns.isEmpty else { return }
        let box = images.narrowed(rows, dim: 2).narrowed(columns, dim: 3)
        box.copy(from: box.flipped(dim: 0))
      }
    }
  }

  /// The shares of the classes in each image: N×C, rows of sum 1.
  /// - Parameters:
  ///   - labels: N, each 0 ..< `classes`.
  ///   - classes: C.
  ///   - smoothing: The share that is spread evenly over all classes, 0 ..< 1 (Szegedy et al. 2016, section 7).
  ///   - device: Where they are wanted.
  package func targets(_ labels: [Int], classes: Int, smoothing: Double, on device: Device) -> Tensor {
    let (low, own) = (smoothing / Double(classes), (1 - smoothing))
    var shares = [Float](repeating: Float(low), count: labels.count * classes)
    for (row, (label, other)) in zip(labels, labels.reversed()).enumerated() {
      precondition(
        (0..<classes).contains(label) && (0..<classes).contains(other),
        "labels \(label) and \(other) of \(classes) classes")
      shares[row * classes + label] += Float(own * share)
      if share < 1 { shares[row * classes + other] += Float(own * (1 - share)) }
    }
    return Tensor(shares, shape: [labels.count, classes], on: device)
  }
}
