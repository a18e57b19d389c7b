import Files
import Foundation
import Models
import Torch

/// A folder for `transformers.AutoModel.from_pretrained`: a `ResNetModel` or a `ViTModel` in float32, and its image
/// processor. The names are those that versions 4 and 5 both read.
struct TransformersFolder {
  static let weightsFile = "model.safetensors"

  private let spec: EncoderSpec
  private let tensors: [(name: String, tensor: Tensor)]

  /// - Parameter tensors: by torchvision's or timm's names; a classifier is left behind.
  init(_ spec: EncoderSpec, _ tensors: [(name: String, tensor: Tensor)]) throws {
    self.spec = spec
    let backbone = tensors.filter { !$0.name.hasPrefix(spec.arch.headName + ".") }
    self.tensors = try withTorchErrors {
      let plain = backbone.map { name, tensor in
        (name: name, tensor: tensor.dtype.isFloatingPoint ? tensor.to(.float32) : tensor)
      }
      return spec.arch.isTransformer
        ? plain.flatMap(TransformersNames.transformer) + Self.pooler(width: spec.arch.featureSize)
        : plain.map { (TransformersNames.residual($0.name, spec.arch), $0.tensor) }
    }
  }

  /// The name of the file of weights in a folder that transformers wrote; nil for another folder.
  static func weights(in folder: String) -> String? {
    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: joined(folder, name)) }
    guard has("config.json"), !has(StateFile.name) else { return nil }
    return [weightsFile, "pytorch_model.bin"].first(where: has)
  }

  /// The reason why transformers has no such network, a sentence; nil where it has one.
  static func obstacle(to spec: EncoderSpec) -> String? {
    let arch = spec.arch
    if let transformer = arch.transformer {
      return transformer.hasConvolutionalStem
        ? "transformers' ViTModel has a patch projection, and \(arch.rawValue) has convolutions in its place."
        : nil
    }
    if arch.groups > 1 || arch.widthPerGroup != 64 {
      return "transformers' ResNetModel has neither groups nor wide blocks, so it has no \(arch.rawValue)."
    }
    return spec.stemName == Stem.cifar.rawValue
      ? "transformers' ResNetModel begins with a 7×7 convolution and max-pooling, and this network with a 3×3 "
        + "convolution." : nil
  }

  /// Writes the three files, each whole; the configuration comes last, so that a folder with it has all.
  func write(to folder: String) throws {
    try reportingFileErrors(.writeInto, folder) {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    try Safetensors.write(tensors, metadata: ["format": "pt"], to: joined(folder, Self.weightsFile))
    try replaceFile(joined(folder, "preprocessor_config.json"), with: json(ImageProcessor(spec)))
    let config = joined(folder, "config.json")
    if let transformer = spec.arch.transformer {
      try replaceFile(config, with: json(TransformerConfig(spec, transformer)))
    } else {
      try replaceFile(config, with: json(ResidualConfig(spec.arch)))
    }
  }

  /// A pooler that gives the class token as it is: without one a `ViTModel` would draw a random one.
  private static func pooler(width: Int) -> [(name: String, tensor: Tensor)] {
    let identity = Tensor.zeros([width, width])
    for place in 0..<width {
      identity.narrowed(place..<place + 1).narrowed(place..<place + 1, dim: 1).fill(1)
    }
    return [("pooler.dense.weight", identity), ("pooler.dense.bias", .zeros([width]))]
  }

  private func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }
}

/// `config.json` of a `ResNetModel`.
private struct ResidualConfig: Encodable {
  let architectures = ["ResNetModel"]
  let modelType = "resnet"
  let numChannels = 3
  let hiddenAct = "relu"
  let downsampleInFirstStage = false
  /// The stride is on the 3×3 convolution.
  let downsampleInBottleneck = false
  let layerType: String
  let embeddingSize: Int
  let hiddenSizes: [Int]
  let depths: [Int]

  init(_ arch: Architecture) {
    layerType = arch.block == .basic ? "basic" : "bottleneck"
    embeddingSize = arch.width
    hiddenSizes = arch.depths.indices.map { (arch.width << $0) * arch.block.expansion }
    depths = arch.depths
  }
}

/// `config.json` of a `ViTModel`.
private struct TransformerConfig: Encodable {
  let architectures = ["ViTModel"]
  let modelType = "vit"
  let numChannels = 3
  let patchSize: Int
  let hiddenAct = "gelu"
  let layerNormEps = 1e-6
  let qkvBias = true
  let hiddenDropoutProb = 0.0
  let attentionProbsDropoutProb = 0.0
  /// The pooler gives the class token as it is.
  let poolerAct = "linear"
  let imageSize: Int
  let hiddenSize: Int
  let intermediateSize: Int
  let numHiddenLayers: Int
  let numAttentionHeads: Int

  init(_ spec: EncoderSpec, _ transformer: Architecture.Transformer) {
    imageSize = spec.imageSize
    patchSize = transformer.patch
    hiddenSize = transformer.width
    intermediateSize = 4 * transformer.width
    numHiddenLayers = transformer.depth
    numAttentionHeads = spec.heads ?? Architecture.defaultHeads
  }
}

/// `preprocessor_config.json`: the resizing and normalisation of evaluation.
private struct ImageProcessor: Encodable {
  struct Size: Encodable {
    var shortestEdge: Int?
    var height: Int?
    var width: Int?

    static func square(_ side: Int) -> Size { Size(height: side, width: side) }
  }

  let imageProcessorType: String
  let doConvertRgb = true
  let doResize = true
  let size: Size
  /// Pillow's number of the filter.
  let resample: Int
  let doCenterCrop: Bool
  let cropSize: Size
  let doRescale = true
  let rescaleFactor = 1.0 / 255
  let doNormalize = true
  let imageMean: [Double]
  let imageStd: [Double]

  init(_ spec: EncoderSpec) {
    let isSquashed = spec.resizing == .squash
    imageProcessorType = isSquashed ? "ViTImageProcessor" : "BitImageProcessor"
    let side = spec.resizing?.shortSide(of: spec.imageSize) ?? evaluationShortSide(spec.imageSize)
    size = isSquashed ? .square(spec.imageSize) : Size(shortestEdge: side)
    resample = spec.interpolation == .bicubic ? 3 : 2
    doCenterCrop = !isSquashed
    cropSize = .square(spec.imageSize)
    (imageMean, imageStd) = (spec.normalization.mean, spec.normalization.std)
  }
}
