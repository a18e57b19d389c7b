import Foundation

/// How the learning rate decreases over training.
public enum Schedule: Sendable, Equatable {
  /// base · ½(1 + cos(π·progress)): from base to 0.
  case cosine
  /// base · 0.1 for every milestone (in epochs) reached so far; MoCo v1's are 120 and 160.
  case milestones([Int])
  /// base · factor for every `every` steps made so far: × 0.9 every 62,500 steps for MoCo's billion images
  /// (He et al. 2020, section 4).
  case step(factor: Double, every: Int)

  /// The learning rate of a step.
  /// - Parameters:
  ///   - base: The rate at the start, after the warm-up.
  ///   - epoch: Counted from 0; cosine uses its fraction too.
  ///   - epochs: Of the whole training, at least 1.
  ///   - warmUp: Epochs in which the rate rises linearly from 0 to base, before the schedule begins; less
  ///     than `epochs`.
  ///   - step: Of the whole training, counted from 0.
  ///   - least: Where a cosine ends, at most base.
  public func rate(
    base: Double, epoch: Double, epochs: Int, warmUp: Double = 0, step: Int = 0, least: Double = 0
  ) -> Double {
    precondition(epochs > 0, "epochs = \(epochs) must be at least 1")
    precondition(warmUp < Double(epochs), "\(warmUp) epochs of warm-up in \(epochs) leave none to learn in")
    guard epoch >= warmUp else { return base * epoch / warmUp }
    switch self {
    case .cosine:
      return least + (base - least) * 0.5 * (1 + cos(.pi * (epoch - warmUp) / (Double(epochs) - warmUp)))
    case .milestones(let milestones):
      return milestones.reduce(base) { rate, milestone in epoch >= Double(milestone) ? rate * 0.1 : rate }
    case .step(let factor, let every):
      precondition(every > 0, "a step of \(every) steps")
      return base * pow(factor, Double(step / every))
    }
  }
}

extension Schedule: LosslessStringConvertible {
  /// The forms of ``description``, as the end of "give …".
  public static let form = "cosine, epochs such as 120,160, or a factor and steps such as 0.9x62500"

  /// `cosine`; milestones in epochs, as `120,160`; or a factor and steps, as `0.9x62500`.
  public init?(_ text: String) {
    let parts = text.split(separator: "x")
    if parts.count == 2, let factor = Double(parts[0]), let every = Int(parts[1]) {
      self = .step(factor: factor, every: every)
      return
    }
    if text == "cosine" {
      self = .cosine
      return
    }
    let epochs = text.split(separator: ",").map { Int($0) }
    guard !epochs.isEmpty, epochs.allSatisfy({ $0 != nil }) else { return nil }
    self = .milestones(epochs.compactMap { $0 })
  }

  public var description: String {
    switch self {
    case .cosine: "cosine"
    case .step(let factor, let every): "\(factor)x\(every)"
    case .milestones(let epochs): epochs.map(String.init).joined(separator: ",")
    }
  }
}

extension Schedule: Codable {
  /// Milestones are a list of numbers, other schedules a string.
  public init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let epochs = try? value.decode([Int].self) {
      self = .milestones(epochs)
    } else if let schedule = (try? value.decode(String.self)).flatMap({ Schedule($0) }) {
      self = schedule
    } else {
      throw DecodingError.dataCorruptedError(
        in: value,
        debugDescription:
          "expected `cosine`, a list of epochs such as [120, 160], or a factor and steps such as 0.9x62500")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    if case .milestones(let epochs) = self { try value.encode(epochs) } else { try value.encode(description) }
  }
}
