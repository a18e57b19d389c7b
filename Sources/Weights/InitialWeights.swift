import Files
import Foundation
import Models
import Torch

/// Weights that a run starts from: of a run, a checkpoint, or any file that ``ImportedEncoder`` reads.
///
///     let weights = try InitialWeights("moco_v2_200ep_pretrain.pth.tar")
///     let fitted = try weights.fitted(to: config.encoderSpec)
///     method.start(query: fitted.tensors)
package struct InitialWeights {
  /// As it was given.
  package let path: String
  /// A checksum of the file that was read, as `crc32:1a2b3c4d`.
  package let digest: String
  /// Newer checkpoints that were damaged, one message each.
  package let warnings: [String]
  private let source: Source

  private enum Source {
    /// Of this program.
    case checkpoint(Checkpoint)
    /// Of another.
    case file(WeightsFile)
  }

  /// - Throws: `UsageError` if there is nothing, or a folder without weights; or the errors of
  ///   ``Checkpoint/load(_:optimizer:)`` and ``WeightsFile/init(_:)``.
  package init(_ path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw UsageError("--init \(path): there is no such file or folder. Check the path.")
    }
    self.path = path
    if try isFolder.boolValue || InitialWeights.isOfThisProgram(path) {
      let checkpoint: Checkpoint
      do { checkpoint = try Checkpoint.load(path, optimizer: false) } catch CheckpointError.notACheckpoint
        where isFolder.boolValue
      {
        throw UsageError(
          "--init \(path): no weights in this folder. Give a run, a checkpoint or a file of weights.")
      }
      source = .checkpoint(checkpoint)
      warnings = checkpoint.warnings
      let file = checkpoint.state == nil ? checkpoint.path : joined(checkpoint.path, Checkpoint.modelFile)
      digest = "crc32:\(try Checksum(ofFile: file))"
    } else {
      source = .file(try WeightsFile(path))
      warnings = []
      digest = "crc32:\(try Checksum(ofFile: path))"
    }
  }

  /// Whether every command takes a path: a folder, or a file of this program. Other files are imported first.
  package static func isCheckpoint(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return false }
    return isFolder.boolValue || ((try? isOfThisProgram(path)) ?? false)
  }

  /// Whether a file states the network that it holds, or stands for a checkpoint.
  private static func isOfThisProgram(_ path: String) throws -> Bool {
    if path.lastPathPart == CheckpointFolder.latestName { return true }
    guard path.hasSuffix(".safetensors"), let file = try? SafetensorsFile(path) else { return false }
    return file.metadata[EncoderSpec.metadataKey] != nil || file.metadata["config"] != nil
  }

  /// An encoder of the file.
  private struct Encoder {
    /// Its heads are nil where the file does not state their number.
    var spec: EncoderSpec
    /// Whether its head is one of contrastive learning.
    var isProjection: Bool
    var tensors: [String: Tensor]
    /// The place in the file, as the end of a sentence.
    var place: String
    /// A sentence about its attention heads, if their number is a guess.
    var guess: String?
    /// Pixels of an image's side; nil where the file does not state them.
    var imageSize: Int?
  }

  /// - Throws: `UsageError` that names the ways out where the file has no such encoder, or several.
  private func encoder(_ role: EncoderRole) throws -> Encoder {
    switch source {
    case .checkpoint(let checkpoint):
      let tensors = checkpoint.encoder(role)
      guard !tensors.isEmpty else { throw missing(role) }
      var spec = try checkpoint.encoderSpec
      if checkpoint.head == .missing { spec.head = nil }
      return Encoder(
        spec: spec, isProjection: checkpoint.head ?? .projection == .projection,
        tensors: tensors, place: checkpoint.path, imageSize: spec.imageSize)
    case .file(let file):
      let found: ImportedEncoder
      do {
        // A file that has a follower only, such as a teacher, is a file of one network.
        found = try ImportedEncoder(in: file, role: role == .query ? nil : role)
      } catch let error as InterchangeError {
        guard let reason = reason(of: error.problem, role) else { throw error }
        throw UsageError("--init \(path): \(reason)")
      }
      let prefix = found.prefix.isEmpty ? "" : ", names beginning `\(found.prefix)`"
      return Encoder(
        spec: found.spec, isProjection: found.head == .projection,
        tensors: Dictionary(uniqueKeysWithValues: try found.tensors().map { ($0.name, $0.tensor) }),
        place: path + prefix,
        guess: found.guessOfHeads)
    }
  }

  /// Why a file has no encoder to take, and the way out for a run; nil for other problems.
  private func reason(of problem: InterchangeError.Problem, _ role: EncoderRole) -> String? {
    func imported(_ choice: String) -> String { "moco import \(path) \(choice) --out X.safetensors" }
    return switch problem {
    case .noEncoder(let what):
      "\(what) `moco import` has options to choose; its output is taken here too."
    case .severalNetworks(let list, let example):
      "it has several networks: \(list). Import one of them first: \(imported("--prefix \(example)"))"
    case .noSuchRole(let what):
      role == .key ? "\(what) \(Self.withoutKey)" : "\(what) Import it first: \(imported("--encoder key"))"
    default: nil
    }
  }

  private static let withoutKey =
    "Leave --init-key out: the key encoder then starts as the query encoder's copy."

  private func missing(_ role: EncoderRole) -> UsageError {
    UsageError(
      "--init \(path): it has no \(role.rawValue) encoder." + (role == .key ? " \(Self.withoutKey)" : ""))
  }
}

// MARK: - Of whole detectors and segmenters

extension InitialWeights {
  /// The name of the metadata that states a detector.
  package static let detectorKey = "detector"
  /// The same of a segmenter.
  package static let segmenterKey = "segmenter"

  /// A whole detector or segmenter in the file.
  package struct Whole {
    /// By this project's names; those of detectron2 where they have no place.
    package let tensors: [String: Tensor]
    /// Sentences without a full stop.
    package let notes: [String]
  }

  /// All tensors of a detector, of this program or by detectron2's names; nil in other files.
  /// - Parameter names: of the detector that they are for.
  /// - Throws: ``InterchangeError``, `FileError`.
  package func detector(_ spec: DetectorSpec, names: [String]) throws -> Whole? {
    guard case .file(let file) = source else { return network(stated: Self.detectorKey) }
    guard let found = try Detectron2Checkpoint(file) else { return nil }
    return Whole(tensors: try found.tensors(for: names), notes: found.notes(for: spec))
  }

  /// All tensors of a segmenter of this program; nil in other files.
  package func segmenter() -> Whole? { network(stated: Self.segmenterKey) }

  private func network(stated key: String) -> Whole? {
    guard case .checkpoint(let checkpoint) = source, checkpoint.metadata[key] != nil else { return nil }
    return Whole(tensors: checkpoint.model, notes: [])
  }

  /// The query encoder with its head, by the network's names.
  package func backbone() throws -> (spec: EncoderSpec, tensors: [String: Tensor]) {
    let own = try encoder(.query)
    return (own.spec, own.tensors)
  }
}

// MARK: - Fitting

extension InitialWeights {
  /// The tensors of an encoder that have a place in a network, and what there is to say about them.
  package struct Fitted {
    /// By the network's names: the whole backbone and, where it fits, the whole head.
    package var tensors: [String: Tensor]
    /// Sentences without a full stop: the origin of backbone and head, and whatever differs.
    package var notes: [String]
  }

  /// Compares the file's encoder with the network of a run.
  /// - Throws: `UsageError` that names the option to change if the file has another network, and one for weights that
  ///   are NaN or infinite.
  package func fitted(to spec: EncoderSpec, role: EncoderRole = .query) throws -> Fitted {
    let own = try encoder(role)
    try check(own.spec, against: spec)
    let headPrefix = "\(spec.arch.headName)."
    let (head, backbone) = spec.tensors.partitioned { $0.name.hasPrefix(headPrefix) }
    var fitted = Fitted(
      tensors: [:],
      notes: ["backbone: \(backbone.count) tensors of a \(spec.arch.rawValue) from \(own.place)"])
    for tensor in backbone {
      guard let source = own.tensors[tensor.name] else {
        throw UsageError("--init \(path): the tensor \(tensor.name) is missing: the network is not whole.")
      }
      fitted.tensors[tensor.name] = try place(source, tensor, &fitted.notes)
    }
    fitted.notes += [own.guess].compactMap(\.self) + differences(own, spec)

    let theirs = own.tensors.filter { $0.key.hasPrefix(headPrefix) }
    let fits =
      own.isProjection && theirs.count == head.count && !head.isEmpty
      && head.allSatisfy { theirs[$0.name]?.shape == $0.shape }
    if fits { fitted.tensors.merge(theirs) { _, new in new } }
    // Training would end at its first step, in a folder that the next attempt finds taken.
    for tensor in spec.tensors {
      guard let source = fitted.tensors[tensor.name], !isFinite(source) else { continue }
      throw UsageError(
        "--init \(path): \(tensor.name) has values that are NaN or infinite. Give other weights.")
    }
    fitted.notes.append(headNote(own, spec, fits: fits))
    return fitted
  }

  private func isFinite(_ tensor: Tensor) -> Bool {
    var scan = FiniteScan(tensor.dtype)
    tensor.withUnsafeBytes { scan.scan($0) }
    return scan.isFinite
  }

  /// A tensor of the backbone in the network's shape.
  private func place(_ source: Tensor, _ wanted: TensorSpec, _ notes: inout [String]) throws -> Tensor {
    guard source.shape != wanted.shape else { return source }
    guard let sides = VisionTransformer.sides(of: wanted.name, from: source.shape, to: wanted.shape) else {
      throw UsageError(
        "--init \(path): the tensor \(wanted.name) has the shape \(source.shape), not \(wanted.shape).")
    }
    notes.append(
      "position embedding: interpolated from \(sides.from)×\(sides.from) to \(sides.to)×\(sides.to) patches")
    return try withTorchErrors { VisionTransformer.resized(positions: source, to: sides.to) }
  }

  /// Raises an error for a network that is not the run's.
  private func check(_ own: EncoderSpec, against spec: EncoderSpec) throws {
    func refuse(_ theirs: String, _ option: String, _ value: String) -> UsageError {
      UsageError("--init \(path): \(theirs). Give --\(option) \(value), or other weights.")
    }
    guard own.arch == spec.arch else {
      throw refuse(
        "it holds a \(own.arch.rawValue), and the run trains a \(spec.arch.rawValue)", "arch",
        own.arch.rawValue)
    }
    guard own.stemName == spec.stemName else {
      throw refuse(
        "its network has the \(own.stemName) stem, and the run's the \(spec.stemName) stem", "stem",
        own.stemName)
    }
    let heads = spec.heads ?? Architecture.defaultHeads
    if let theirs = own.heads, theirs != heads {
      throw refuse("its network has \(theirs) attention heads, and the run's \(heads)", "heads", "\(theirs)")
    }
  }

  /// Differences that weights can bear.
  private func differences(_ own: Encoder, _ spec: EncoderSpec) -> [String] {
    var notes: [String] = []
    if let size = own.imageSize, size != spec.imageSize {
      notes.append("image size: \(size) pixels there, \(spec.imageSize) from now on")
    }
    // A run has neither.
    if let padding = own.spec.stemPadding, padding != Stem.cifarPadding {
      notes.append("stem: padding \(padding) there, \(Stem.cifarPadding) from now on")
    }
    let (pooling, wanted) = (own.spec.pooling ?? .token, spec.pooling ?? .token)
    if own.spec.arch.isTransformer, pooling != wanted {
      notes.append("pooling: \(pooling.rawValue) there, \(wanted.rawValue) from now on")
    }
    let (theirs, ours) = (own.spec.normalization, spec.normalization)
    guard theirs != ours else { return notes }
    func text(_ normalization: Normalization) -> String {
      func list(_ values: [Double]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
      return "mean \(list(normalization.mean)) and std \(list(normalization.std))"
    }
    return notes + ["normalisation: \(text(theirs)) there, \(text(ours)) from now on"]
  }

  private func headNote(_ own: Encoder, _ spec: EncoderSpec, fits: Bool) -> String {
    guard let wanted = spec.head else { return "head: the run has none" }
    guard !fits else { return "head: \(wanted.summary), from there too" }
    let reason =
      switch own.spec.head {
      case nil: "the file has none that is known"
      case _? where !own.isProjection: "the file's is a classifier"
      case let theirs?: "the file's is another: \(theirs.summary)"
      }
    return "head: \(wanted.summary), fresh, because \(reason)"
  }
}

extension Sequence {
  /// The elements that satisfy a condition, and the others.
  fileprivate func partitioned(_ isFirst: (Element) -> Bool) -> ([Element], [Element]) {
    (filter(isFirst), filter { !isFirst($0) })
  }
}
