import Files

/// A checkpoint that cannot be read or written.
public enum CheckpointError: NamesMissingThing, Equatable, CustomStringConvertible {
  /// The checkpoint's bytes are not those that were written.
  /// - Parameters:
  ///   - folder: the checkpoint.
  ///   - file: the damaged file's name in it.
  ///   - tensor: the damaged tensor; nil where it is the file's header or the file as a whole.
  ///   - reason: the fault, as the end of a sentence about it.
  case damaged(folder: String, file: String, tensor: String?, reason: String)
  /// Not one checkpoint of the folder is good.
  case allDamaged(folder: String, [CheckpointError])
  /// There is nothing to load at the path.
  /// - Parameter command: makes such a run, but for its `--out`.
  case notFound(String, command: String = "pretrain DATA")
  /// The path leads to something else.
  case notACheckpoint(String)
  /// A folder that transformers wrote.
  /// - Parameter weights: the file of weights in it.
  case transformersFolder(String, weights: String)
  /// A version of this program with another format wrote it.
  case unknownFormat(path: String, Int)
  /// A save did not finish; the checkpoints before it are as they were.
  case notSaved(step: Int, folder: String, FileError)

  public var description: String {
    switch self {
    case .damaged: fact + " Use an older one beside it, or copy it again."
    case .allDamaged(let folder, let damages):
      "no checkpoint in \(folder) is good: " + damages.map(\.fact).joined(separator: " ")
        + " Copy one back from a backup, or start anew in another --out."
    case .notFound(let path, let command):
      switch path.pathExtension {
      case "safetensors": "there is no checkpoint at \(path). Check the path."
      case "pth", "pt", "tar", "pkl", "ckpt", "bin", "npz":
        "there is no checkpoint at \(path). Check the path. \(CheckpointError.elsewhere)"
      default:
        "there is no checkpoint at \(path). Check the path, or train one first: moco \(command) --out \(path)"
      }
    case .notACheckpoint(let path):
      "\(path) is no checkpoint. Give a run folder (with checkpoints/ in it), a checkpoint folder (with "
        + "model.safetensors and state.json) or a .safetensors file. \(CheckpointError.elsewhere)"
    case .transformersFolder(let folder, let weights):
      "\(folder) is a folder of transformers: give \(joined(folder, weights)) to `moco import` or --init."
    case .unknownFormat(let path, let format):
      "\(path) has format \(format); this moco reads format \(TrainingState.currentFormat). "
        + "Use the moco that wrote it."
    case .notSaved(let step, let folder, let error):
      "the checkpoint of step \(step) could not be saved: cannot \(error.operation.rawValue) \(error.path): "
        + "\(error.reason) The checkpoints in \(folder) are as they were; --resume auto goes on from the newest."
    }
  }

  private static let elsewhere = "Weights from elsewhere, such as a .pth, need `moco import` first."

  /// The fault, without its remedy.
  public var fact: String {
    guard case .damaged(let folder, let file, let tensor, let reason) = self else { return description }
    return
      "The checkpoint \(folder) is damaged: \(tensor.map { "tensor \($0) in \(file)" } ?? file) \(reason)."
  }
}

extension CheckpointError {
  public var isMissing: Bool { if case .notFound = self { true } else { false } }

  /// The same where such a run is made by another command.
  package func naming(_ command: String) -> CheckpointError {
    guard case .notFound(let path, _) = self else { return self }
    return .notFound(path, command: command)
  }
}
