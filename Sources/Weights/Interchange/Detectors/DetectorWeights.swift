import Files
import Foundation
import Models
import Torch

/// Starting weights of a detector: a checkpoint of a whole detector as detectron2 writes it (`.pkl` of its model zoo,
/// `.pth` of its training), a backbone by its names as the converter published with MoCo writes it, or any encoder that
/// ``ImportedEncoder`` or ``Checkpoint`` reads.
///
///     let weights = try DetectorWeights("moco_v2_200ep_pretrain.pth.tar")
///     let match = try weights.load(into: detector)   // or an error where the backbone's tensors are not there
///     print(match.summary)
public struct DetectorWeights {
  public enum Kind: String, Sendable, Equatable {
    /// Every part of a detector, by detectron2's names.
    case detector
    /// The network that a detector stands on.
    case encoder
  }

  struct Source {
    /// In the file.
    let name: String
    let shape: [Int]
    let read: () throws -> Tensor
  }

  public let path: String
  public let kind: Kind
  /// By detectron2's names of a detector, by this project's of an encoder.
  let sources: [String: Source]
  /// Tensors of other parts of the file: an optimizer, a queue, another encoder.
  public let otherCount: Int
  /// Mean and deviation of the pixels that the file states: of blue, green and red in detectron2's own detectors.
  let pixels: [String: [Double]]

  /// Reads names and shapes.
  /// - Parameters:
  ///   - path: a file of weights from anywhere, or a run folder or checkpoint of pre-training.
  ///   - role: which encoder, where there are two.
  /// - Throws: ``InterchangeError``, ``CheckpointError``, `SafetensorsError` or `FileError`.
  public init(_ path: String, role: EncoderRole = .query) throws {
    self.path = path
    if FileManager.default.isFolder(path) || path.hasSuffix(".safetensors"),
      let own = try Self.ownEncoder(path, role)
    {
      (kind, sources, otherCount, pixels) = (.encoder, own.sources, own.others, [:])
      return
    }
    let file = try WeightsFile(path)
    let named = Self.withoutOuterKey(file.entries)
    if named.contains(where: { DetectorNames.isOfDetector($0.name) }) {
      let own = named.filter { !Self.isConstant($0.name) }
      kind = .detector
      sources = Dictionary(uniqueKeysWithValues: own.map { ($0.name, Self.source($0.entry, in: file)) })
      otherCount = file.entries.count - own.count
      pixels = try Self.pixels(named, in: file)
    } else if let backbone = try Self.backbone(named, in: file) {
      kind = .encoder
      sources = backbone
      otherCount = file.entries.count - backbone.count
      pixels = [:]
    } else {
      let encoder = try ImportedEncoder(in: file, role: role)
      let tensors = try encoder.tensors()
      kind = .encoder
      sources = Dictionary(
        uniqueKeysWithValues: tensors.map { name, tensor in
          (name, Source(name: encoder.prefix + name, shape: tensor.shape) { tensor })
        })
      otherCount = encoder.otherCount
      pixels = [:]
    }
  }

  // MARK: - Kinds of files

  /// An encoder of this program's; nil where the file is of another program.
  private static func ownEncoder(
    _ path: String, _ role: EncoderRole
  ) throws -> (sources: [String: Source], others: Int)? {
    let checkpoint = try Checkpoint.load(path, optimizer: false)
    let encoder = checkpoint.encoder(role)
    guard !encoder.isEmpty else { return nil }
    let sources = encoder.map { name, tensor in
      (name, Source(name: role.prefix + name, shape: tensor.shape) { tensor })
    }
    return (Dictionary(uniqueKeysWithValues: sources), checkpoint.model.count - encoder.count)
  }

  private typealias Named = (name: String, entry: WeightsFile.Entry)

  /// What lies below `model`, as in all of detectron2's checkpoints; all tensors where there is no such key.
  private static func withoutOuterKey(_ entries: [WeightsFile.Entry]) -> [Named] {
    let key = "model."
    let inner = entries.filter { $0.name.hasPrefix(key) }
    return inner.isEmpty
      ? entries.map { ($0.name, $0) } : inner.map { (String($0.name.dropFirst(key.count)), $0) }
  }

  /// The backbone of a file without the rest of a detector; nil where it has none by detectron2's names.
  private static func backbone(_ named: [Named], in file: WeightsFile) throws -> [String: Source]? {
    let found = named.compactMap { each in
      DetectorNames.backboneEnding(each.name).map { (ending: $0, each.entry) }
    }
    guard found.contains(where: { $0.ending == "stem.conv1.weight" }) else { return nil }
    var sources: [String: Source] = [:]
    for (ending, entry) in found {
      let name = Detectron2Names.torchvisionName(ending)
      guard sources.updateValue(source(entry, in: file), forKey: name) == nil else {
        throw InterchangeError(
          path: file.path,
          problem: .noEncoder("two tensors stand for \(ending). Save only one network's state_dict."))
      }
    }
    return sources
  }

  private static func source(_ entry: WeightsFile.Entry, in file: WeightsFile) -> Source {
    Source(name: entry.name, shape: entry.shape) { try file.tensor(entry.name) }
  }

  // MARK: - Numbers beside the weights

  private static func isConstant(_ name: String) -> Bool {
    name == "pixel_mean" || name == "pixel_std" || name.hasPrefix("proposal_generator.anchor_generator.")
  }

  private static func pixels(_ named: [Named], in file: WeightsFile) throws -> [String: [Double]] {
    var pixels: [String: [Double]] = [:]
    for (name, entry) in named where name.hasPrefix("pixel_") && entry.shape.reduce(1, *) == 3 {
      let tensor = try file.tensor(entry.name)
      pixels[name] = try withTorchErrors { tensor.to(.float64).array(of: Double.self) }
    }
    return pixels
  }
}

extension FileManager {
  fileprivate func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }
}
