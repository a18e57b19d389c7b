import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

extension ImportedEncoderTests {
  /// The tensors of a small transformer for images of 32 pixels.
  static func transformer(hasStem: Bool) -> [(name: String, shape: [Int])] {
    EncoderSpec(arch: hasStem ? .vitConvSmall : .vitSmall, imageSize: 32).tensors.map { ($0.name, $0.shape) }
  }

  @Test(arguments: [false, true], ["", "module.base_encoder."])
  func transformersAreFoundByTimmsNames(hasStem: Bool, prefix: String) throws {
    let layers = Self.transformer(hasStem: hasStem)
    let head =
      prefix.isEmpty ? [("head.weight", [5, 384]), ("head.bias", [5])] : [("head.2.weight", [9, 384])]
    let tensors = (layers + head).enumerated().map { index, entry in
      (name: prefix + entry.name, tensor: Tensor.full(Double(index), entry.shape, dtype: .uint8))
    }
    try withWeights(tensors) { file in
      let found = try ImportedEncoder(in: file)
      #expect(found.prefix == prefix && found.spec.arch == (hasStem ? .vitConvSmall : .vitSmall))
      #expect(found.spec.imageSize == 32)
      // A whole classifier under timm's own names is taken for timm's.
      let isOfTimm = prefix.isEmpty && !hasStem
      #expect(found.library == (isOfTimm ? .timm : prefix.isEmpty ? nil : .mocoV3))
      #expect(found.spec.normalization == (isOfTimm ? .half : .imageNet))
      #expect(found.head == (prefix.isEmpty ? .classifier : .missing))
      #expect(found.unmatched == (prefix.isEmpty ? [] : ["\(prefix)head.2.weight"]) && found.filled.isEmpty)
      let read = try found.tensors()
      #expect(read.count == layers.count + (prefix.isEmpty ? 2 : 0))
      for (index, (_, tensor)) in read.enumerated() {
        #expect(tensor.array(of: Double.self).allSatisfy { $0 == Double(index) })
      }
    }
  }

  /// The number of heads is a guess in either of two networks.
  @Test(arguments: [EncoderRole.query, .key])
  func theGuessOfHeadsIsSaidOfEachOfTwoEncoders(_ role: EncoderRole) throws {
    let layers = EncoderSpec(arch: .vitSmall, imageSize: 32).tensors
    let pair = ["encoder.", "momentum_encoder."].flatMap { prefix in
      layers.map { (name: prefix + $0.name, tensor: Tensor.zeros($0.shape)) }
    }
    try withWeights(pair) { file in
      let found = try ImportedEncoder(in: file, role: role)
      #expect(found.prefix == (role == .key ? "momentum_encoder." : "encoder."))
      #expect(found.guessOfHeads?.hasPrefix("vit_small is read with 12 heads") == true)
    }
  }

  @Test func aTransformerHasNoNamesInTorchvisionAndDetectron2() throws {
    for format in [ExportFormat.timm, .safetensors] {
      try format.check(EncoderSpec(arch: .vitSmall), path: "runs/vit")
    }
    for format in [ExportFormat.torchvision, .detectron2] {
      #expect {
        try format.check(EncoderSpec(arch: .vitSmall), path: "runs/vit")
      } throws: {
        "\($0)"
          == "runs/vit: a vision transformer goes out with timm's names only, not with \(format.rawValue)'s. "
          + "Export --format timm, safetensors, transformers or onnx."
      }
    }
  }

  @Test func detectron2sNamesGoBothWays() throws {
    let names = EncoderSpec(arch: .resnet50).tensors.map(\.name)
    #expect(names.count == 318)  // torchvision's ResNet-50 without fc
    #expect(Set(names.map(Detectron2Names.name)).count == names.count)
    #expect(names.map { Detectron2Names.torchvisionName(Detectron2Names.name(torchvision: $0)) } == names)
    try withFolder { folder in
      let path = joined(folder, "x.pkl")
      try ExportFormat.detectron2.write(Self.network("", head: Self.linear), to: path)
      let found = try ImportedEncoder(in: WeightsFile(path))
      #expect(found.prefix == "model." && found.spec == Self.spec && found.head == .missing)
      #expect(found.unmatched == [] && found.filled == [])
    }
  }
}
