import Foundation
import Models

/// A trajectory of the published code in float64, computed from weights and inputs that a formula gives.
struct ParityCase: Decodable {
  struct Settings: Decodable {
    let kind: String  // "builder": ImageNet stem; "cifar": small stem, split batch normalisation
    let arch: Architecture
    let world: Int?
    let mlp: Bool?
    let dim: Int
    let queueSize: Int
    let momentum: Double
    let temperature: Double
    let learningRate: Double
    let weightDecay: Double
    let perm: [Int]
    let bnSplits: Int?
    let symmetric: Bool?
    let batch: Int
    let image: Int
    let steps: Int

    enum CodingKeys: String, CodingKey {
      case kind, arch, world, mlp, dim, perm, symmetric, batch, image, steps
      case queueSize = "K"
      case momentum = "m"
      case temperature = "T"
      case learningRate = "lr"
      case weightDecay = "weight_decay"
      case bnSplits = "bn_splits"
    }
  }

  /// Name, shape and salt of one parameter; without a salt it starts at 1 or 0.
  struct Parameter: Decodable {
    let name: String
    let shape: [Int]
    let salt: Int?

    init(from decoder: Decoder) throws {
      var fields = try decoder.unkeyedContainer()
      name = try fields.decode(String.self)
      shape = try fields.decode([Int].self)
      salt = try fields.decodeIfPresent(Int.self)
    }
  }

  struct Final: Decodable {
    let norms: [String: Double]
    let queuePointer: Int
    let queueSum: Double
    let firstKey: [Double]

    enum CodingKeys: String, CodingKey {
      case norms
      case queuePointer = "queue_ptr"
      case queueSum = "queue_sum"
      case firstKey = "queue_first_key"
    }
  }

  let settings: Settings
  let parameters: [Parameter]
  let losses: [Double]
  let final: Final

  enum CodingKeys: String, CodingKey {
    case parameters, losses, final
    case settings = "case"
  }

  /// torchvision's name for what the published CIFAR model numbers: net.0, net.1, net.3 … net.6, net.9.
  static func name(_ published: String) -> String {
    var parts = published.split(separator: ".").map(String.init)
    guard parts.first == "net", parts.count > 1, let index = Int(parts[1]) else { return published }
    let module =
      switch index {
      case 0: "conv1"
      case 1: "bn1"
      case 3...6: "layer\(index - 2)"
      default: "fc"
      }
    parts.replaceSubrange(0...1, with: [module])
    return parts.joined(separator: ".")
  }
}
