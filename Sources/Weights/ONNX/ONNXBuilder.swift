import Foundation
import Torch

/// An ONNX graph in the making: each node stands behind those whose outputs it takes.
struct ONNXBuilder {
  var graph = ONNXGraph()
  private let weights: [String: Tensor]
  private var taken: Set<String> = []

  /// - Parameter weights: of a network, by its names.
  init(_ weights: [String: Tensor]) { self.weights = weights }

  enum Option {
    case int(String, Int64)
    case ints(String, [Int64])
    case float(String, Float)
  }

  enum Size {
    case fixed(Int64)
    /// Known when the graph runs; equal names are equal sizes.
    case any(String)
  }

  /// Adds a node and returns the name of its output.
  /// - Parameters:
  ///   - kind: ONNX's name of the operator.
  ///   - inputs: names of outputs of earlier nodes, of weights and of the graph's input.
  ///   - output: the output's name; one that is not taken unless given.
  @discardableResult
  mutating func add(_ kind: String, _ inputs: [String], _ options: [Option] = [], to output: String? = nil)
    -> String
  {
    let output = output ?? "\(kind)_\(graph.node.count)"
    graph.node.append(
      .with {
        $0.opType = kind
        $0.name = output
        $0.input = inputs
        $0.output = [output]
        $0.attribute = options.map(\.attribute)
      })
    return output
  }

  /// Puts a weight of the network into the graph, in float32, and returns its name.
  mutating func weight(_ name: String) -> String {
    guard let tensor = weights[name] else { preconditionFailure("the network has no tensor \(name)") }
    guard taken.insert(name).inserted else { return name }
    return initializer(name, .float32, tensor.shape, tensor.to(.float32).withUnsafeBytes { Data($0) })
  }

  /// The shape of a weight.
  func shape(_ name: String) -> [Int] { weights[name]?.shape ?? [] }

  func has(_ name: String) -> Bool { weights[name] != nil }

  /// Adds a tensor of numbers and returns its name.
  mutating func constant(_ name: String, _ values: [Float], _ shape: [Int]) -> String {
    initializer(name, .float32, shape, values.withUnsafeBytes { Data($0) })
  }

  /// The same of whole numbers, as one dimension.
  mutating func constant(_ name: String, _ values: [Int64]) -> String {
    initializer(name, .int64, [values.count], values.withUnsafeBytes { Data($0) })
  }

  private mutating func initializer(_ name: String, _ type: ONNXDataType, _ shape: [Int], _ bytes: Data)
    -> String
  {
    graph.initializer.append(
      .with {
        $0.name = name
        $0.dataType = Int32(type.rawValue)
        $0.dims = shape.map(Int64.init)
        $0.rawData = bytes
      })
    return name
  }

  mutating func addInput(_ name: String, _ type: ONNXDataType, _ sizes: [Size]) {
    graph.input.append(ONNXValue(name, type, sizes))
  }

  mutating func addOutput(_ name: String, _ sizes: [Size]) {
    graph.output.append(ONNXValue(name, .float32, sizes))
  }
}

extension ONNXBuilder.Option {
  fileprivate var attribute: ONNXAttribute {
    .with { attribute in
      switch self {
      case .int(let name, let value): (attribute.name, attribute.type, attribute.i) = (name, .int, value)
      case .ints(let name, let values):
        (attribute.name, attribute.type, attribute.ints) = (name, .ints, values)
      case .float(let name, let value): (attribute.name, attribute.type, attribute.f) = (name, .float, value)
      }
    }
  }
}

extension ONNXValue {
  fileprivate init(_ name: String, _ type: ONNXDataType, _ sizes: [ONNXBuilder.Size]) {
    self.init()
    self.name = name
    self.type.tensorType.elemType = Int32(type.rawValue)
    self.type.tensorType.shape.dim = sizes.map { size in
      .with {
        switch size {
        case .fixed(let count): $0.dimValue = count
        case .any(let name): $0.dimParam = name
        }
      }
    }
  }
}
