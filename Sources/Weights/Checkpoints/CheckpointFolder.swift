import Files
import Foundation

/// The names in a folder of checkpoints, read without changing anything.
struct CheckpointFolder {
  let path: String

  /// The file that names the newest checkpoint.
  static let latestName = "latest"

  /// Steps that have a checkpoint, newest first.
  func steps() throws -> [Int] {
    try names().compactMap(Self.step).sorted(by: >)
  }

  func names() throws -> [String] {
    try reportingFileErrors(.list, path) { try FileManager.default.contentsOfDirectory(atPath: path) }
  }

  static func name(_ step: Int) -> String { "step-\(step)" }

  func place(_ step: Int) -> String { joined(path, Self.name(step)) }

  /// The step in a checkpoint's name.
  static func step(_ name: String) -> Int? {
    guard let step = Int(name.dropFirst("step-".count)), Self.name(step) == name else { return nil }
    return step
  }

  /// The step that `latest` names; nil if the file is missing or damaged.
  private var latest: Int? {
    guard let reader = try? FileReader(joined(path, Self.latestName)), reader.count < 64,
      let text = try? reader.bytes(0..<reader.count)
    else { return nil }
    return Self.step(String(decoding: text, as: UTF8.self).trimmingCharacters(in: .newlines))
  }

  /// The checkpoint that `latest` names or, if it is damaged, the newest good one; nil if there is none.
  func newest(optimizer: Bool) throws -> Checkpoint? {
    guard let found = try newest({ try Checkpoint(folder: $0, optimizer: optimizer) }) else { return nil }
    var checkpoint = found.value
    checkpoint.damaged = found.damaged
    return checkpoint
  }

  /// The same for what `read` finds in a checkpoint's folder, with the damaged ones before it.
  func newest<Value>(_ read: (String) throws -> Value) throws -> (value: Value, damaged: [CheckpointError])? {
    let steps = try steps()
    let named = steps.filter { $0 == latest }
    var damaged: [CheckpointError] = []
    for step in named + steps.filter({ !named.contains($0) }) {
      do {
        return (try read(place(step)), damaged)
      } catch let error as CheckpointError {
        guard case .damaged = error else { throw error }
        damaged.append(error)
      }
    }
    guard damaged.isEmpty else { throw CheckpointError.allDamaged(folder: path, damaged) }
    return nil
  }
}
