import Files
import Foundation
import Torch

/// Keeps the checkpoints of one run: `step-N` folders and the file `latest`, which names the newest.
///
/// A save is written beside its place, put on the disk, and renamed; only then older ones go. So at any moment
/// of a save, and after a loss of power at that moment, the previous checkpoint or the new one is there, whole.
public final class CheckpointStore {
  public let folder: String
  private let keep: Int
  private let contents: CheckpointFolder
  /// Steps that ``loadLatest()`` found damaged.
  private var damaged: Set<Int> = []

  /// Opens the folder, which is made if need be, and removes unfinished files of a killed run.
  /// One process at a time may write to a folder.
  /// - Parameters:
  ///   - folder: The run's `checkpoints`.
  ///   - keep: how many good checkpoints stay, at least 1.
  /// - Throws: ``FileError``.
  public init(folder: String, keep: Int = 2) throws {
    precondition(keep >= 1, "keep = \(keep) must be at least 1")
    self.folder = folder
    self.keep = keep
    contents = CheckpointFolder(path: folder)
    try reportingFileErrors(.makeFolder, folder) {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    try sweep()
  }

  /// Writes `step-N`, N being `state.step`, and returns its path.
  ///
  /// Afterwards this one and the newest good ones before it stay, `keep` in all. One of a later step goes too:
  /// the run went back, and what is saved now takes its place.
  /// - Parameters:
  ///   - optimizer: The optimizer's tensors by name.
  ///   - state: Where the run stands.
  ///   - model: each name once; with the key encoder and the queue, if the method has them.
  ///   - metadata: notes for the model file, such as the architecture.
  /// - Throws: ``CheckpointError/notSaved(step:folder:_:)``, or `TorchError` if a tensor cannot be
  ///   brought to the CPU.
  @discardableResult
  public func save(
    model: [(name: String, tensor: Tensor)], optimizer: [(name: String, tensor: Tensor)],
    state: TrainingState, metadata: [String: String] = [:]
  ) throws -> String {
    do {
      for step in saveSteps(model: model, optimizer: optimizer, state: state, metadata: metadata) {
        try step.run()
      }
    } catch {
      try? sweep()  // the error to report is the save's
      if let error = error as? FileError {
        throw CheckpointError.notSaved(step: state.step, folder: folder, error)
      }
      throw error
    }
    return contents.place(state.step)
  }

  /// The bytes of the files that ``save(model:optimizer:state:metadata:)`` writes. Numbers of another length in the
  /// state change it by some bytes.
  public static func size(
    model: [(name: String, tensor: Tensor)], optimizer: [(name: String, tensor: Tensor)],
    state: TrainingState, metadata: [String: String]
  ) throws -> Int {
    func checksums(_ tensors: [(name: String, tensor: Tensor)]) -> FileChecksums {
      let none = [UInt8]().withUnsafeBytes { Checksum(of: $0) }
      return FileChecksums(
        header: none, tensors: Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, none) }))
    }
    let record = StateFile(
      state: state,
      files: [Checkpoint.modelFile: checksums(model), Checkpoint.optimizerFile: checksums(optimizer)])
    return try Safetensors.size(of: model, metadata: metadata)
      + Safetensors.size(of: optimizer, metadata: [:])
      + record.bytes.count
  }

  /// The newest good checkpoint, with those that were damaged in ``Checkpoint/damaged``; nil if the folder has
  /// none at all.
  /// - Throws: ``CheckpointError/allDamaged(folder:_:)``.
  public func loadLatest() throws -> Checkpoint? {
    let checkpoint = try contents.newest(optimizer: true)
    for case .damaged(let folder, _, _, _) in checkpoint?.damaged ?? [] {
      if let step = CheckpointFolder.step(folder.lastPathPart) { damaged.insert(step) }
    }
    return checkpoint
  }
}

// MARK: - Saving

extension CheckpointStore {
  /// One change of the file system. A killed save is a save that ended after one of them.
  struct SaveStep {
    let name: String
    let run: () throws -> Void
  }

  private static let replacedPrefix = ".replaced-"
  private static let removedPrefix = ".removed-"

  func saveSteps(
    model: [(name: String, tensor: Tensor)], optimizer: [(name: String, tensor: Tensor)],
    state: TrainingState, metadata: [String: String]
  ) -> [SaveStep] {
    let name = CheckpointFolder.name(state.step)
    let unfinished = joined(folder, unfinishedPrefix + name)
    let place = contents.place(state.step)
    var record = StateFile(state: state, files: [:])
    return [
      SaveStep(name: "make the hidden folder") {
        guard mkdir(unfinished, 0o755) == 0 else { throw FileError(.makeFolder, unfinished) }
      },
      SaveStep(name: "write the model") {
        record.files[Checkpoint.modelFile] = try writeFile(joined(unfinished, Checkpoint.modelFile)) {
          try Safetensors.write(model, metadata: metadata, with: $0)
        }
      },
      SaveStep(name: "write the optimizer") {
        record.files[Checkpoint.optimizerFile] = try writeFile(joined(unfinished, Checkpoint.optimizerFile)) {
          try Safetensors.write(optimizer, metadata: [:], with: $0)
        }
      },
      SaveStep(name: "write the state") {
        let bytes = try record.bytes
        try writeFile(joined(unfinished, StateFile.name)) { try $0.write(bytes) }
        try syncFolder(unfinished)
      },
      SaveStep(name: "move an older one of this step aside") {
        guard FileManager.default.fileExists(atPath: place) else { return }
        try renameItem(place, to: joined(self.folder, Self.replacedPrefix + name))
      },
      SaveStep(name: "give the folder its name") {
        try renameItem(unfinished, to: place)
        try syncFolder(self.folder)
      },
      SaveStep(name: "name it in latest") {
        try replaceFile(joined(self.folder, CheckpointFolder.latestName)) {
          try $0.write(Array("\(name)\n".utf8))
        }
      },
      SaveStep(name: "remove older ones") {
        self.damaged.remove(state.step)
        try self.removeOlder(than: state.step)
        try self.sweep()
      },
    ]
  }

  /// Hides all but the newest `keep` good ones up to `step`, for the sweep to remove: a folder half removed
  /// is then never taken for a checkpoint.
  private func removeOlder(than step: Int) throws {
    let steps = try contents.steps()
    let staying = steps.filter { $0 <= step && !damaged.contains($0) }.prefix(keep)
    for step in steps where !staying.contains(step) {
      try renameItem(
        contents.place(step), to: joined(folder, Self.removedPrefix + CheckpointFolder.name(step)))
    }
  }

  /// Removes unfinished and old checkpoints. A folder moved aside comes back if the save that did it
  /// got no further.
  private func sweep() throws {
    for name in try contents.names() {
      let path = joined(folder, name)
      if name.hasPrefix(Self.replacedPrefix) {
        let place = joined(folder, String(name.dropFirst(Self.replacedPrefix.count)))
        if !FileManager.default.fileExists(atPath: place) {
          try renameItem(path, to: place)
          continue
        }
      }
      if [unfinishedPrefix, Self.replacedPrefix, Self.removedPrefix].contains(where: name.hasPrefix) {
        // The next sweep tries again.
        try? FileManager.default.removeItem(atPath: path)
      }
    }
  }
}
