import Backbones
import Checkpoints
import Foundation
import Images
import Torch
import Views

/// A trained query encoder with the configuration it was trained by.
public struct TrainedEncoder {
  public let network: any Backbone
  public let config: RunConfig
  /// Steps it was trained for; nothing where only the weights are known.
  public let step: Int?
  /// What follows its features, where the file says it.
  let head: HeadKind?
  private let path: String
  /// Newer checkpoints that were damaged, in words.
  public let warnings: [String]

  /// Reads a run folder, a checkpoint folder or a `.safetensors` file that this program wrote.
  public init(_ path: String, on device: Device) throws {
    let checkpoint = try Checkpoint.load(path, optimizer: false)
    config = try RunConfig(checkpoint)
    let config = self.config
    network = try withTorchErrors { config.makeEncoder(on: device, using: Generator(seed: 0)) }
    let prefix = "encoder_q."
    let weights = checkpoint.model.filter { $0.key.hasPrefix(prefix) }
    try network.load(
      Dictionary(uniqueKeysWithValues: weights.map { (String($0.key.dropFirst(prefix.count)), $0.value) }))
    network.train(false)
    step = checkpoint.state?.step
    (head, self.path) = (checkpoint.head, path)
    warnings = checkpoint.damaged.map { "\($0.fact) The one before it is used." }
  }

  /// Refuses a layer that the encoder does not have.
  public func validate(_ layer: FeatureLayer) throws {
    try layer.validate(for: network)
    guard layer == .head, head == .missing else { return }
    throw UsageError(
      "--layer head: \(path) was imported without a head. Measure pooled, which transfers, or another layer.")
  }
}

extension RunConfig {
  /// The configuration a checkpoint was written by. (JSON is YAML; keys that are newer than the file have their
  /// defaults.)
  init(_ checkpoint: Checkpoint) throws {
    guard let text = checkpoint.metadata["config"] else {
      throw RunError(
        "\(checkpoint.path): the file does not say which network it holds; it was not written by moco pretrain. "
          + "Run `moco import` on it first.")
    }
    try self.init(yaml: text, source: checkpoint.path)
  }

  /// What the weights' file says of itself.
  func checkpointMetadata() throws -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return ["config": String(decoding: try encoder.encode(self), as: UTF8.self), "format": "moco"]
  }

  /// A checksum of all keys.
  var hash: String {
    get throws { String(Array(try yaml().utf8).withUnsafeBytes { crc32($0) }, radix: 16) }
  }

  /// The augmentations of a run.
  var viewRecipe: TwoViewRecipe { views.recipe(imageSize: imageSize, cropScale: cropScale) }

  /// Decodes with the limits of training.
  public var decoder: ImageDecoder {
    ImageDecoder(limits: DecodeLimits(maxPixels: maxPixels), appliesOrientation: exifOrientation)
  }

  public var workerCount: Int {
    workers ?? max(1, ProcessInfo.processInfo.activeProcessorCount / RankEnvironment.ranksOnThisMachine)
  }

  /// Bytes of decoded images that `--cache memory` keeps on a GPU.
  static let deviceCacheLimit = 4 << 30

  /// Bytes of decoded images that `--cache memory` keeps: half of the machine's memory, or of the container's.
  static var cacheLimit: Int {
    let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    let container = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
    return min(
      machine, container.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? machine) / 2
  }

  /// - Parameter images: of the data set, of which a memory bank has a row each.
  func networkSummary(images: Int) -> String {
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

/// The augmentations there are, by the paper they belong to.
public enum ViewFamily: String, Codable, Sendable, CaseIterable {
  case v1, v2, v3, cifar, demo

  /// - Parameters:
  ///   - imageSize: Pixels of a view's side.
  ///   - cropScale: the smallest share of the image that a crop takes; the family's own unless given.
  public func recipe(imageSize: Int, cropScale: Double? = nil) -> TwoViewRecipe {
    let recipe: TwoViewRecipe =
      switch self {
      case .v1: .v1(imageSize: imageSize)
      case .v2: .v2(imageSize: imageSize)
      case .v3: .v3(minScale: 0.2, imageSize: imageSize)
      case .cifar: .cifar(imageSize: imageSize)
      case .demo: .demo(imageSize: imageSize)
      }
    guard let cropScale else { return recipe }
    return TwoViewRecipe(
      query: recipe.query.cropped(from: cropScale), key: recipe.key.cropped(from: cropScale))
  }

  var normalization: Normalization { recipe(imageSize: 32, cropScale: nil).query.normalization }
}

extension ViewRecipe {
  /// The same with another smallest crop.
  fileprivate func cropped(from minScale: Double) -> ViewRecipe {
    var recipe = self
    recipe.steps = steps.map { step in
      if case .crop(let scale) = step { return .crop(scale: minScale...max(minScale, scale.upperBound)) }
      return step
    }
    return recipe
  }
}
