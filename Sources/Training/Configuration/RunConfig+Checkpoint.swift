import Data
import Distributed
import Evaluation
import Files
import Foundation
import Images
import Models
import Torch
import Weights

extension RunConfig {
  /// The configuration a checkpoint was written by. (JSON is YAML; keys that are newer than the file have their
  /// defaults.)
  package init(_ checkpoint: Checkpoint) throws {
    guard let text = checkpoint.metadata["config"] else {
      throw RunError(
        "\(checkpoint.path): the file does not say which network it holds; it was not written by moco pretrain. "
          + "Run `moco import` on it first.")
    }
    try self.init(yaml: text, source: checkpoint.path)
  }

  /// The configuration of the run that made an encoder; for weights from elsewhere the defaults with its network.
  package init(_ encoder: TrainedEncoder) throws {
    if let text = encoder.config {
      try self.init(yaml: text, source: encoder.path)
      return
    }
    self.init()
    let spec = encoder.spec
    (arch, stem, heads, imageSize) = (spec.arch, spec.stem, spec.heads, spec.imageSize)
    switch spec.head {
    case .linear(let outputs): mocoDim = outputs
    case .mlp(let outputs): (mocoDim, mlp) = (outputs, true)
    case .normalizedMLP(_, let hidden, let outputs, _):
      (method, mocoDim, mocoMlpDim) = (.mocoV3, outputs, hidden)
    case nil: break
    }
  }

  /// What the weights' file says of itself.
  package func checkpointMetadata() throws -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return ["config": String(decoding: try encoder.encode(self), as: UTF8.self), "format": "moco"]
  }

  /// A checksum of all keys.
  package var hash: String {
    get throws { String(Array(try yaml().utf8).withUnsafeBytes { crc32($0) }, radix: 16) }
  }

  /// How a checkpoint of this run is evaluated.
  package var evaluationInput: EvaluationInput {
    EvaluationInput(
      encoderSpec, decoder: decoder, workers: workerCount, maxBad: maxBad, shuffleBuffer: shuffleBuffer)
  }

  /// The query encoder.
  package var encoderSpec: EncoderSpec {
    EncoderSpec(
      arch: arch, stem: stem, heads: heads, imageSize: imageSize, normalization: views.normalization, head: head)
  }

  /// The augmentations of a run.
  package var viewTransform: MultiViewTransform { views.transform(imageSize: imageSize, cropScale: cropScale) }

  /// Decodes with the limits of training.
  package var decoder: ImageDecoder {
    ImageDecoder(limits: DecodeLimits(maxPixels: maxPixels), appliesOrientation: exifOrientation)
  }

  package var workerCount: Int {
    workers ?? max(1, ProcessInfo.processInfo.activeProcessorCount / RankEnvironment.ranksOnThisMachine)
  }

  /// Bytes of decoded images that `--cache memory` keeps on a GPU.
  package static let deviceCacheLimit = 4 << 30

  /// Bytes of decoded images that `--cache memory` keeps: half of the machine's memory, or of the container's.
  package static var cacheLimit: Int {
    let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    let container = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
    return min(
      machine, container.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? machine) / 2
  }

  /// - Parameter images: of the data set, of which a memory bank has a row each.
  package func networkSummary(images: Int) -> String {
    var parts = [
      "\(method.rawValue) with \(arch.rawValue), \((stem ?? arch.defaultStem).rawValue) stem",
      "\(head.summary)",
    ]
    switch (method, mechanism) {
    case (.moco, .queue): parts.append("K \(mocoK), m \(mocoM), τ \(mocoT)\(symmetric ? ", symmetric" : "")")
    case (.moco, .endToEnd): parts.append("keys end to end, τ \(mocoT)")
    case (.moco, .memoryBank): parts.append("memory bank, K \(mocoK), τ \(mocoT)")
    case (.instDisc, _):
      parts.append("memory bank, \(mocoK < images ? "K \(mocoK)" : "softmax over all"), τ \(mocoT)")
    case (.mocoV3, _): parts.append("m \(mocoM)\(mocoMCos ? " to 1" : ""), τ \(mocoT)")
    case (.byol, _): parts.append("m \(mocoM)\(mocoMCos ? " to 1" : "")")
    case (.simCLR, _): parts.append("τ \(mocoT)")
    case (.simSiam, _), (.cpc, _), (.rotation, _), (.jigsaw, _), (.relativePosition, _): break
    }
    return parts.joined(separator: "; ")
  }
}
