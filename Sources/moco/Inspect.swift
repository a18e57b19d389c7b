import ArgumentParser
import Files
import Methods
import Models
import Torch
import Weights

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the contents of a checkpoint and check that it is whole.")

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
    describe(report, loaded.statedSpec)
  }

  /// - Parameter spec: of a file of weights.
  private func describe(_ report: Report, _ spec: EncoderSpec?) {
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
      if key == "config", let config = try? RunConfig(yaml: value, source: report.path).yaml() {
        // Values that the program chooses stand there as comments.
        print("config")
        for line in config.split(separator: "\n") where !line.hasPrefix("#") { print("  \(line)") }
      } else if key == EncoderSpec.metadataKey, let spec {
        print(key)
        for line in spec.lines { print("  \(line)") }
      } else {
        print("\(key.padded(to: 12))\(value)")
      }
    }
    for (name, list) in [("model", report.model), ("optimizer", report.optimizer)] where !list.isEmpty {
      let numbers = list.reduce(0) { $0 + $1.shape.reduce(1, *) }
      print("\(name.padded(to: 12))\(list.count) tensors, \(numbers) numbers")
      guard tensors else { continue }
      for row in list { print("  \(row.name.padded(to: 52)) \(row.dtype.padded(to: 9)) \(row.shape)") }
    }
  }
}

extension EncoderSpec {
  /// Its values as `moco inspect` shows them, by the keys of a configuration where there are such.
  fileprivate var lines: [String] {
    func list(_ values: [Double]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
    var lines = ["arch: \(arch.rawValue)", "stem: \(stemName)"]
    if arch.isTransformer {
      lines += ["heads: \(heads ?? Architecture.defaultHeads)", "pooling: \((pooling ?? .token).rawValue)"]
    } else if stemName == Stem.cifar.rawValue {
      lines.append("stem-padding: \(stemPadding ?? Stem.cifarPadding)")
    }
    return lines + [
      "image-size: \(imageSize)", "resize: \(resizingSummary)", "mean: \(list(normalization.mean))",
      "std: \(list(normalization.std))",
      "head: \(head?.summary ?? "none")",
    ]
  }
}
