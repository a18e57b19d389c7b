import Files
import Foundation
import Models
import SwiftProtobuf
import Torch

/// A file of ONNX: an encoder in evaluation mode as a graph, with its weights in float32.
///
/// Its input `images` is N×3×S×S for any N: float32 and normalised, or bytes that the graph normalises itself. Its
/// outputs are `features`, N×C, and with a classifier `logits` too.
struct ONNXFile {
  /// The oldest version of the operators that has `LayerNormalization`, and the format that came with it.
  static let operators: Int64 = 17, format: Int64 = 8
  /// A file of protobuf has at most 2 GB.
  static let limit = 2_000_000_000

  private let spec: EncoderSpec
  private let tensors: [(name: String, tensor: Tensor)]
  private let normalizes: Bool

  /// - Parameter tensors: by the network's names; with a linear head's where the spec has one.
  init(_ spec: EncoderSpec, _ tensors: [(name: String, tensor: Tensor)], normalizes: Bool) {
    (self.spec, self.tensors, self.normalizes) = (spec, tensors, normalizes)
  }

  /// Writes it: whole or, on an error, not at all.
  func write(to path: String) throws {
    let bytes = tensors.reduce(0) { $0 + 4 * $1.tensor.count }
    guard bytes < Self.limit else {
      throw InterchangeError(
        path: path, problem: .unsupported("the weights take \(bytes) bytes, and a file of ONNX at most 2 GB.")
      )
    }
    let model = try model()
    let data: Data = try model.serializedBytes()
    try replaceFile(path, with: data)
  }

  func model() throws -> ONNXModel {
    let weights = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor) })
    var builder = ONNXBuilder(weights)
    try withTorchErrors { build(&builder) }
    let side = Int64(spec.imageSize)
    builder.addInput(
      "images", normalizes ? .uint8 : .float32, [.any("N"), .fixed(3), .fixed(side), .fixed(side)])
    builder.addOutput("features", [.any("N"), .fixed(Int64(spec.arch.featureSize))])
    if case .linear(let outputs) = spec.head {
      builder.addOutput("logits", [.any("N"), .fixed(Int64(outputs))])
    }
    var model = ONNXModel()
    model.irVersion = Self.format
    model.producerName = "swift-moco"
    model.opsetImport = [
      .with {
        $0.domain = ""
        $0.version = Self.operators
      }
    ]
    model.metadataProps = [
      try .with {
        $0.key = EncoderSpec.exportKey
        $0.value = try spec.json()
      }
    ]
    builder.graph.name = spec.arch.rawValue
    model.graph = builder.graph
    return model
  }

  private func build(_ builder: inout ONNXBuilder) {
    let images = normalizes ? normalized(&builder) : "images"
    if let transformer = spec.arch.transformer {
      builder.addTransformer(spec, transformer, images)
    } else {
      builder.addResNet(spec, images)
    }
    guard case .linear = spec.head else { return }
    let head = spec.arch.headName
    builder.add(
      "Gemm", ["features", builder.weight("\(head).weight"), builder.weight("\(head).bias")],
      [.int("transB", 1)], to: "logits")
  }

  /// (x / 255 − mean) / std of bytes, as x · scale + shift.
  private func normalized(_ builder: inout ONNXBuilder) -> String {
    let (mean, std) = (spec.normalization.mean, spec.normalization.std)
    let levels = builder.add("Cast", ["images"], [.int("to", Int64(ONNXDataType.float32.rawValue))])
    let scale = builder.constant("scale", std.map { Float(1 / (255 * $0)) }, [1, 3, 1, 1])
    let shift = builder.constant("shift", zip(mean, std).map { Float(-$0 / $1) }, [1, 3, 1, 1])
    return builder.add("Add", [builder.add("Mul", [levels, scale]), shift])
  }
}
