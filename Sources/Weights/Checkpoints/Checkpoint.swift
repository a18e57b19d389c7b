import Files
import Foundation
import Torch

/// A checkpoint in memory.
public struct Checkpoint {
  /// The checkpoint folder or the file it was read from.
  public let path: String
  /// The model's tensors by name, on the CPU.
  public let model: [String: Tensor]
  /// The model file's metadata.
  public let metadata: [String: String]
  /// The optimizer's tensors by name, on the CPU; empty if they were not read.
  public let optimizer: [String: Tensor]
  /// The run's position; nil for a lone file of weights.
  public let state: TrainingState?
  /// Newer checkpoints that were damaged and passed over, newest first. Show them to the user.
  public internal(set) var damaged: [CheckpointError] = []
  /// One message for each of ``damaged``.
  package var warnings: [String] { damaged.map { "\($0.fact) The one before it is used." } }

  /// The use of the encoder's head; nil in a checkpoint of a run.
  public var head: HeadKind? { metadata[HeadKind.metadataKey].flatMap(HeadKind.init) }

  static let modelFile = "model.safetensors"
  static let optimizerFile = "optimizer.safetensors"
}

extension Checkpoint {
  /// Reads a run folder (its newest good checkpoint), a checkpoint folder or a `.safetensors` file.
  ///
  /// Every tensor of a checkpoint folder is compared with its checksum; a lone file has none. Nothing on the
  /// disk is changed, so a run may be read while it is training.
  /// - Parameters:
  ///   - path: A run folder, a checkpoint folder or a file.
  ///   - optimizer: whether to read the optimizer's tensors too; evaluation does not need them.
  /// - Throws: ``CheckpointError``; for a lone file ``SafetensorsError`` or ``FileError``.
  public static func load(_ path: String, optimizer: Bool = true) throws -> Checkpoint {
    switch try Place(path) {
    case .file: try Checkpoint(file: path)
    case .checkpoint: try Checkpoint(folder: path, optimizer: optimizer)
    case .store(let folder):
      if let newest = try CheckpointFolder(path: folder).newest(optimizer: optimizer) {
        newest
      } else {
        throw CheckpointError.notFound(path)
      }
    }
  }

  /// The metadata of a checkpoint's model file, as ``load(_:optimizer:)`` finds it, without its tensors.
  /// - Throws: as ``load(_:optimizer:)``.
  package static func metadata(of path: String) throws -> [String: String] {
    func read(_ folder: String) throws -> [String: String] {
      try reportingDamage(modelFile, in: folder) { try SafetensorsFile(joined(folder, modelFile)).metadata }
    }
    switch try Place(path) {
    case .file: return try SafetensorsFile(path).metadata
    case .checkpoint: return try read(path)
    case .store(let folder):
      guard let metadata = try CheckpointFolder(path: folder).newest(read) else {
        throw CheckpointError.notFound(path)
      }
      return metadata.value
    }
  }

  /// The kind of place that a path given as CHECKPOINT leads to.
  private enum Place {
    case file, checkpoint
    case store(folder: String)

    init(_ path: String) throws {
      let manager = FileManager.default
      var isFolder: ObjCBool = false
      guard manager.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw CheckpointError.notFound(path)
      }
      func has(_ name: String) -> Bool { manager.fileExists(atPath: joined(path, name)) }
      if !isFolder.boolValue {
        if path.lastPathPart == CheckpointFolder.latestName,
          try !CheckpointFolder(path: path.parentFolder).steps().isEmpty
        {
          self = .store(folder: path.parentFolder)
          return
        }
        guard path.hasSuffix(".safetensors") else { throw CheckpointError.notACheckpoint(path) }
        self = .file
      } else if has("checkpoints") {
        self = .store(folder: joined(path, "checkpoints"))
      } else if let weights = TransformersFolder.weights(in: path) {
        throw CheckpointError.transformersFolder(path, weights: weights)
      } else if has(StateFile.name) || has(Checkpoint.modelFile) {
        self = .checkpoint
      } else if try !CheckpointFolder(path: path).steps().isEmpty {
        self = .store(folder: path)
      } else {
        throw CheckpointError.notACheckpoint(path)
      }
    }
  }

  private init(file path: String) throws {
    let file = try SafetensorsFile(path)
    self.init(path: path, model: try file.tensors(), metadata: file.metadata, optimizer: [:], state: nil)
  }

  /// Reads `step-N`, comparing each file and tensor with its checksum.
  init(folder: String, optimizer: Bool) throws {
    let record = try Checkpoint.reportingDamage(StateFile.name, in: folder) {
      try StateFile(contentsOf: joined(folder, StateFile.name))
    }
    let model = try Checkpoint.read(Checkpoint.modelFile, in: folder, record)
    let rest = optimizer ? try Checkpoint.read(Checkpoint.optimizerFile, in: folder, record) : nil
    self.init(
      path: folder, model: model.tensors, metadata: model.metadata, optimizer: rest?.tensors ?? [:],
      state: record.state)
  }

  private static func read(_ name: String, in folder: String, _ record: StateFile) throws
    -> (tensors: [String: Tensor], metadata: [String: String])
  {
    try reportingDamage(name, in: folder) {
      guard let checksums = record.files[name] else { throw StateFile.Failure.damaged("has no checksums") }
      let file = try SafetensorsFile(joined(folder, name), headerChecksum: checksums.header)
      var tensors: [String: Tensor] = [:]
      for entry in file.entries {
        guard let checksum = checksums.tensors[entry.name] else {
          throw StateFile.Failure.damaged("has no checksum for tensor \(entry.name)")
        }
        tensors[entry.name] = try file.tensor(entry.name, checksum: checksum)
      }
      return (tensors, file.metadata)
    }
  }

  /// Reports a file's failure as damage of the checkpoint. A lack of memory is none.
  private static func reportingDamage<Result>(
    _ file: String, in folder: String, _ body: () throws -> Result
  ) throws -> Result {
    func damaged(_ reason: String, tensor: String? = nil) -> CheckpointError {
      .damaged(folder: folder, file: file, tensor: tensor, reason: reason)
    }
    do {
      return try body()
    } catch let error as SafetensorsError {
      throw damaged(error.reason, tensor: error.tensor)
    } catch let error as FileError where error.code != ENOMEM && error.code != EMFILE {
      throw damaged("cannot be read: \(String(cString: strerror(error.code)))")
    } catch StateFile.Failure.damaged(let reason) {
      throw damaged(reason)
    } catch StateFile.Failure.format(let format) {
      throw CheckpointError.unknownFormat(path: joined(folder, file), format)
    }
  }
}
