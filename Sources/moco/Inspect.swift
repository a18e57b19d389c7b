import ArgumentParser
import Data
import Files
import Methods
import Torch
import Weights

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a checkpoint holds, and whether it is whole.")

  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String
  @Flag(help: "List every tensor.")
  var tensors = false
  @Flag(help: "Print one JSON object.")
  var json = false

  struct Report: Codable {
    struct Row: Codable {
      var name: String
      var dtype: String
      var shape: [Int]
    }
    var path: String
    var state: TrainingState?
    var metadata: [String: String]
    var damaged: [String]
    var model: [Row]
    var optimizer: [Row]
  }

  func run() throws {
    let loaded = try Checkpoint.load(checkpoint)
    func rows(_ tensors: [String: Tensor]) -> [Report.Row] {
      tensors.sorted { $0.key < $1.key }.map {
        .init(name: $0.key, dtype: $0.value.dtype.rawValue, shape: $0.value.shape)
      }
    }
    let report = Report(
      path: loaded.path, state: loaded.state, metadata: loaded.metadata,
      damaged: loaded.damaged.map { "\($0)" },
      model: rows(loaded.model), optimizer: rows(loaded.optimizer))
    if json { return try printJSON(report) }
    describe(report)
  }

  private func describe(_ report: Report) {
    print("checkpoint  \(report.path)")
    for damage in report.damaged { print("damaged     \(damage)") }
    if let state = report.state {
      print("position    step \(state.step), epoch \(state.epoch), batch \(state.batch)")
      print("integrity   every tensor agrees with its checksum")
      if let loss = state.lastLoss { print("last loss   \(fixed(loss, 4))") }
      if let pointer = state.queuePointer { print("queue       next key goes to row \(pointer)") }
    } else {
      print("integrity   a lone file has no checksums; its structure is sound")
    }
    for (key, value) in report.metadata.sorted(by: { $0.key < $1.key }) {
      guard key == "config", let config = try? RunConfig(yaml: value, source: report.path).yaml() else {
        print("\(key.padded(to: 12))\(value)")
        continue
      }
      // What is left to the program stands there as a comment.
      print("config")
      for line in config.split(separator: "\n") where !line.hasPrefix("#") { print("  \(line)") }
    }
    for (name, list) in [("model", report.model), ("optimizer", report.optimizer)] where !list.isEmpty {
      let numbers = list.reduce(0) { $0 + $1.shape.reduce(1, *) }
      print("\(name.padded(to: 12))\(list.count) tensors, \(numbers) numbers")
      guard tensors else { continue }
      for row in list { print("  \(row.name.padded(to: 52)) \(row.dtype.padded(to: 9)) \(row.shape)") }
    }
  }
}
