import Files
import Methods
import Torch

/// The device of a run.
package enum DeviceChoice: Codable, Sendable, Equatable {
  /// A GPU if there is one, else the CPU.
  case auto
  case named(Device)

  /// `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
  package init?(_ text: String) {
    switch text {
    case "auto": self = .auto
    case "cpu": self = .named(.cpu)
    case "cuda": self = .named(.cuda(0))
    case "mps": self = .named(.mps)
    default:
      guard text.hasPrefix("cuda:"), let index = Int(text.dropFirst(5)), index >= 0 else { return nil }
      self = .named(.cuda(index))
    }
  }

  package init(from decoder: Decoder) throws {
    let value = try decoder.singleValueContainer()
    let text = try value.decode(String.self)
    guard let choice = DeviceChoice(text) else {
      throw DecodingError.dataCorruptedError(
        in: value, debugDescription: "`\(text)` is none of auto, cpu, cuda, cuda:1, mps")
    }
    self = choice
  }

  package func encode(to encoder: Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(description)
  }

  /// The device; fails if it is not available.
  /// - Parameter localNumber: Several ranks on a machine each use their own GPU: the first rank the named
  ///   one, or number 0, and the others the following ones.
  package func resolve(localNumber: Int = 0) throws -> Device {
    switch self {
    case .auto:
      guard case .available = Runtime.cuda else { return .cpu }
      return try DeviceChoice.named(.cuda(0)).resolve(localNumber: localNumber)
    case .named(.cuda(let index)):
      switch Runtime.cuda {
      case .available(let count): return try DeviceChoice.gpu(index, of: count, localNumber: localNumber)
      case .unavailable(let reason):
        throw RunError(
          "--device cuda: no GPU can be used: \(reason). "
            + "`moco doctor` shows what was found; `--device cpu` trains on the CPU.")
      }
    #if !canImport(Darwin)
      case .named(.mps):
        throw RunError(
          "--device mps: only macOS has it, and this is another system. `--device cpu` trains on the CPU, `--device auto` "
            + "on a GPU if there is one.")
    #endif
    case .named(let device):
      do {
        return try withTorchErrors { Tensor.zeros([1], on: device).device }
      } catch {
        throw RunError("--device \(device): it cannot be used here: \(error)")
      }
    }
  }
}

extension DeviceChoice {
  /// A rank's GPU among those of its machine; rank 0 has GPU `first`.
  package static func gpu(_ first: Int, of count: Int, localNumber: Int) throws -> Device {
    guard first < count else {
      throw RunError("--device cuda:\(first): there are \(count) GPUs here, numbered from 0.")
    }
    guard first + localNumber < count else {
      throw RunError(
        "rank \(localNumber) of this machine has no GPU: there are \(count), and rank 0 has cuda:\(first). Start "
          + "\(count - first) ranks here at most, or give --device cpu.")
    }
    return .cuda(first + localNumber)
  }
}

extension DeviceChoice: CustomStringConvertible {
  package var description: String {
    switch self {
    case .auto: "auto"
    case .named(let device): device.description
    }
  }
}

extension DeviceChoice: KeyValue {
  package init?(argument: String) { self.init(argument) }
  package var text: String { description }
  package static var form: String { "auto, cpu, cuda, cuda:1 or mps" }
}
