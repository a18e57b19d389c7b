import Foundation
import Torch

/// The largest difference between elements; infinite where counts differ or a number is not one.
func distance(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1)
    return difference.isNaN ? .infinity : max(worst, difference)
  }
}

func distance(_ a: Tensor?, _ b: Tensor?) -> Double {
  guard let a, let b, a.shape == b.shape else { return .infinity }
  return distance(a.array(of: Double.self), b.array(of: Double.self))
}

func fixture<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
  let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)")
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  return try decoder.decode(Value.self, from: Data(contentsOf: url))
}

/// Whether tests can run on a GPU.
let hasGPU = if case .available = Runtime.cuda { true } else { false }
