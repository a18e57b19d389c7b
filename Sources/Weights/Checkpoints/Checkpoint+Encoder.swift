import Files
import Foundation
import Models
import Torch

extension Checkpoint {
  /// The tensors of one encoder, by the network's names.
  public func encoder(_ role: EncoderRole) -> [String: Tensor] {
    let prefix = role.prefix
    let own = model.filter { $0.key.hasPrefix(prefix) }
    return Dictionary(uniqueKeysWithValues: own.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
  }

  /// The query encoder. A file of weights states it; a checkpoint of a run states the run's configuration, and the head
  /// follows from the tensors' shapes.
  /// - Throws: `RunError` where the file states neither, a detector or segmenter, or a network that cannot be.
  public var encoderSpec: EncoderSpec {
    get throws {
      let wholes = [(InitialWeights.detectorKey, "detect"), (InitialWeights.segmenterKey, "segment")]
      if let (noun, command) = wholes.first(where: { metadata[$0.0] != nil }) {
        throw RunError(
          "\(path): it holds a \(noun), made by `moco \(command)`, and no encoder. Give the encoder that it started from."
        )
      }
      let spec = try statedSpec ?? specOfRun
      if let problem = spec.problem {
        throw RunError("\(path): the network that the file states cannot be: \(problem)")
      }
      return spec
    }
  }

  private var specOfRun: EncoderSpec {
    get throws {
      guard let text = metadata["config"],
        let run = try? JSONDecoder().decode(NetworkKeys.self, from: Data(text.utf8))
      else {
        throw RunError(
          "\(path): the file does not say which network it holds; it was not written by moco pretrain. "
            + "Run `moco import` on it first.")
      }
      return EncoderSpec(
        arch: run.arch, stem: run.stem,
        heads: run.heads ?? (run.arch.isTransformer ? Architecture.defaultHeads : nil),
        pooling: run.arch.isTransformer ? run.pooling : nil, imageSize: run.imageSize,
        normalization: run.views.normalization,
        head: Head(
          shapes: encoder(.query).mapValues(\.shape), named: run.arch.headName, inputs: run.arch.featureSize))
    }
  }

  /// The query encoder that a file of weights states; nil in a checkpoint of a run.
  package var statedSpec: EncoderSpec? {
    metadata[EncoderSpec.metadataKey].flatMap {
      try? JSONDecoder().decode(EncoderSpec.self, from: Data($0.utf8))
    }
  }
}

/// The keys of a run's configuration that describe its network; absent ones have the first version's default.
private struct NetworkKeys: Decodable {
  var arch = Architecture.resnet50
  var stem: Stem?
  var heads: Int?
  var pooling: Pooling?
  var imageSize = 224
  var views = Views.v1

  enum Views: String, Decodable {
    case v1, v2, v3, cifar, demo, mae
    case mocoMAE = "moco-mae"

    var normalization: Normalization {
      switch self {
      case .v1, .v2, .v3, .mae, .mocoMAE: .imageNet
      case .cifar, .demo: .cifar
      }
    }
  }

  enum CodingKeys: String, CodingKey {
    case arch, stem, heads, pooling, views
    case imageSize = "image-size"
  }

  init(from decoder: Decoder) throws {
    let run = try decoder.container(keyedBy: CodingKeys.self)
    arch = try run.decodeIfPresent(Architecture.self, forKey: .arch) ?? arch
    stem = try run.decodeIfPresent(Stem.self, forKey: .stem)
    heads = try run.decodeIfPresent(Int.self, forKey: .heads)
    // Not stated where it is the usual one, as in files of older runs.
    pooling = try run.decodeIfPresent(Pooling.self, forKey: .pooling)
    if pooling == .token { pooling = nil }
    imageSize = try run.decodeIfPresent(Int.self, forKey: .imageSize) ?? imageSize
    views = try run.decodeIfPresent(Views.self, forKey: .views) ?? views
  }
}

extension EncoderSpec {
  /// The key of a file's metadata that holds it, as JSON.
  package static let metadataKey = "encoder"
}
