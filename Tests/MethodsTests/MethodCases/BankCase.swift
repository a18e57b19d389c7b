import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// The parts that the cases with a memory bank share.
struct BankCase {
  let settings: MethodCase
  let bank: MemoryBank

  init(_ settings: MethodCase) throws {
    self.settings = settings
    let (images, dimension) = (try settings.integer("images"), try settings.integer("dim"))
    bank = MemoryBank(images: images, dimension: dimension, dtype: .float64, using: Generator(seed: 1))
    bank.rows.copy(
      from: l2Normalized(formula(salt: try settings.integer("bank_salt"), shape: [images, dimension])))
  }

  var images: [Int] { get throws { try settings.integers("indices") } }
  var temperature: Double { get throws { try settings.number("t") } }
  var momentum: Double { get throws { try settings.number("m") } }

  /// Embeddings before they are normalised, N×C, with a gradient.
  func outputs() throws -> Tensor {
    let own = bank.rows.indexSelected(bank.indices(try images))  // N×C
    let shares = Tensor(try settings.numbers("bank_share")).reshaped([-1, 1])  // N×1
    let noise = formula(salt: try settings.integer("outputs_salt"), shape: own.shape)
    let outputs = own * shares + noise * (try settings.number("noise_share"))
    outputs.requiresGrad = true
    return outputs
  }

  /// An encoder of vectors: a linear layer, or none.
  static func encoder(_ layer: Linear? = nil) -> ImageEncoder {
    ImageEncoder(VectorBackbone(layer), head: nil)
  }
}

private final class VectorBackbone: Module, Backbone {
  let layer: Linear?
  init(_ layer: Linear?) { self.layer = layer }

  var architecture: Architecture { .resnet8 }
  var stageCount: Int { 1 }
  func features(_ x: Tensor, stage: Int?) -> Tensor { layer.map { $0(x) } ?? x }
  func featureMaps(_ x: Tensor) -> [Tensor] { [] }
}
