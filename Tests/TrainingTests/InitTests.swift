import Files
import Foundation
import Methods
import Models
import TestSupport
import Testing
import Torch
@testable import Training
import Weights

/// Runs that start from given weights. Serialized: signals are the process's.
@Suite(.serialized) struct InitTests {
  private let runs: SmallRuns

  init() throws { runs = try SmallRuns() }

  /// A file as published code saves one.
  private func weights(
    _ head: Head?, of arch: Architecture = .resnet8, prefix: String = "module.encoder_q.", key: Bool = false
  ) throws -> String {
    let path = temporaryFolder() + "/w.pth"
    let spec = EncoderSpec(arch: arch, imageSize: 16, head: head)
    func tensors(_ prefix: String, seed: UInt64) -> [(name: String, tensor: Tensor)] {
      spec.makeEncoder(using: Generator(seed: seed)).state.map { (prefix + $0.name, $0.tensor.detached()) }
    }
    try ExportFormat.torchvision.write(
      tensors(prefix, seed: 90) + (key ? tensors("module.encoder_k.", seed: 91) : []), to: path)
    return path
  }

  private func values(_ path: String, _ prefix: String) throws -> [String: [UInt8]] {
    let file = try WeightsFile(path)
    let own = file.entries.filter { $0.name.hasPrefix(prefix) }
    return Dictionary(
      uniqueKeysWithValues: try own.map { entry in
        (
          String(entry.name.dropFirst(prefix.count)),
          try file.tensor(entry.name).withUnsafeBytes { Array($0) }
        )
      })
  }

  private func stripped(_ tensors: [String: [UInt8]], _ prefix: String) -> [String: [UInt8]] {
    Dictionary(uniqueKeysWithValues: tensors.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
  }

  /// One mechanism for all of them: by the names of the state.
  @Test(arguments: MethodKind.all.map { "\($0.name) \($0.mechanism?.rawValue ?? "")" })
  func everyMethodStartsFromGivenWeights(kind: String) throws {
    let parts = kind.split(separator: " ").map(String.init)
    let config = try runs.config {
      ($0.method, $0.bnSplits, $0.mocoMlpDim) = (MethodName(parts[0]), 1, 24)
      $0.mechanism = parts.count > 1 ? Mechanism(rawValue: parts[1]) ?? .queue : .queue
      guard $0.kind.masksPatches else { return }
      ($0.arch, $0.stem, $0.decoderDim, $0.decoderDepth, $0.decoderHeads) = (.vitMini, nil, 12, 1, 1)
    }
    let head = config.kind.head(config)
    let path = try weights(head, of: config.arch)
    let learner = try Learner(config, images: 40, device: .cpu)
    let others = learner.method.state.filter { !$0.name.hasPrefix("encoder_") }.map(\.tensor)
    let before = others.map { $0.withUnsafeBytes { Array($0) } }
    let notes = try learner.start(from: InitialWeights(path), config: config)
    let given = try values(path, "module.encoder_q.")
    for role in [EncoderRole.query, .key] {
      let own = learner.method.encoderTensors(role)
      #expect(own.isEmpty ? role == .key : own.count == given.count, "\(kind)")
      for (name, tensor) in own {
        #expect(tensor.withUnsafeBytes { Array($0) } == given[name], "\(kind) \(name)")
      }
    }
    #expect(others.map { $0.withUnsafeBytes { Array($0) } } == before)
    let backbone = config.kind.masksPatches ? "54 tensors of a vit_mini" : "54 tensors of a resnet8"
    #expect(notes.contains { $0.hasPrefix("backbone: \(backbone) from \(path)") }, "\(notes)")
    let fromThere = head == nil ? "head: the run has none" : ", from there too"
    #expect(notes.contains { $0.hasSuffix(fromThere) }, "\(notes)")
    #expect(
      notes.contains("key encoder: a copy of the query encoder") == !learner.method.encoderTensors(.key)
        .isEmpty)
  }

  @Test func aRunStartsFromAFileAndNeedsItNoMore() throws {
    let path = try weights(.linear(outputs: 16))
    let config = try runs.config {
      ($0.initFile, $0.steps, $0.keep) = (path, 2, 9)
    }
    let out = try runs.run(config)
    #expect(
      notes(out) == [
        "backbone: 54 tensors of a resnet8 from \(path), names beginning `module.encoder_q.`",
        "head: linear head of 16, from there too", "key encoder: a copy of the query encoder", "fresh: queue",
      ])
    // What was taken is saved before the first step.
    let given = try values(path, "module.encoder_q.")
    for prefix in ["encoder_q.", "encoder_k."] {
      #expect(stripped(try model(out + "/checkpoints/step-0", prefix), prefix) == given)
    }
    let written = try #require(RunFolder.config(out))
    let digest = try InitialWeights(path).digest
    #expect(written.initFile == path && written.initDigest == digest)

    try FileManager.default.removeItem(atPath: path)
    try runs.run(config.with { $0.steps = nil }, to: out)
    #expect(steps(out) == Array(1...10))
    #expect(RunFolder.config(out)?.initDigest == written.initDigest)
    // From another place, the same file's name is the same start; without it, it is another run.
    try runs.run(config.with { ($0.initFile, $0.steps) = ("elsewhere/w.pth", nil) }, to: out)
    let error = #expect(throws: UsageError.self) { try runs.run(config.with { $0.initFile = nil }, to: out) }
    #expect(error?.description.contains("(init is w.pth there and unset here)") == true, "\(error as Any)")
  }

  @Test func equalWeightsGiveEqualRunsAndAnotherStartThanRandomOnes() throws {
    let path = try weights(.linear(outputs: 16))
    let config = try runs.config { ($0.initFile, $0.steps) = (path, 3) }
    let (a, b) = (try runs.run(config), try runs.run(config))
    let random = try runs.run(config.with { $0.initFile = nil })
    #expect(try model(a) == model(b))
    #expect(try model(a, "encoder_q.conv1") != model(random, "encoder_q.conv1"))
    #expect(try Checkpoint.load(a).state?.step == 3)
  }

  @Test func aRunIsASourceToo() throws {
    let first = try runs.run(runs.config { $0.steps = 3 })
    let out = try runs.run(
      runs.config {
        ($0.initFile, $0.steps, $0.keep, $0.mlp) = (first + "/", 1, 9, true)
      })
    #expect(
      notes(out) == [
        "backbone: 54 tensors of a resnet8 from \(first)/checkpoints/step-3",
        "head: MLP head of 16, fresh, because the file's is another: linear head of 16",
        "key encoder: a copy of the query encoder", "fresh: queue",
      ])
    let start = try model(out + "/checkpoints/step-0", "encoder_q.")
    for (name, bytes) in try model(first, "encoder_q.") where !name.contains(".fc.") {
      #expect(start[name] == bytes, "\(name)")
    }
  }

  @Test func theKeyEncoderComesFromTheFileIfThatIsSaid() throws {
    let path = try weights(.linear(outputs: 16), key: true)
    let out = try runs.run(
      runs.config {
        ($0.initFile, $0.initKey, $0.steps, $0.keep) = (path, .file, 1, 9)
      })
    let start = out + "/checkpoints/step-0"
    for prefix in ["encoder_q.", "encoder_k."] {
      let given = try values(path, "module.\(prefix)")
      #expect(stripped(try model(start, prefix), prefix) == given)
    }
    #expect(notes(out).contains("key encoder's head: linear head of 16, from there too"))
    let simple = RunConfig().uselessness(of: RunKeys.table.initKey)
    #expect(simple == "only a key encoder that follows, with --init, can have weights of its own")
  }

  @Test func wrongWeightsLeaveNothingBehind() throws {
    let path = try weights(nil)
    let out = temporaryFolder() + "/run"
    let arch = #expect(throws: UsageError.self) {
      try runs.run(runs.config { ($0.initFile, $0.arch) = (path, .resnet20) }, to: out)
    }
    #expect(
      arch?.description
        == "--init \(path): it holds a resnet8, and the run trains a resnet20. Give --arch resnet8, or other weights."
    )
    let digest = #expect(throws: UsageError.self) {
      try runs.run(runs.config { ($0.initFile, $0.initDigest) = (path, "crc32:00000000") }, to: out)
    }
    #expect(
      digest?.description.hasSuffix(
        "and --init-digest is crc32:00000000. It has changed; give the old file, or leave --init-digest out.")
        == true)
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  /// Rank 0 reads; the others need not see the file.
  @Test func allRanksStartEqual() async throws {
    let path = try weights(.linear(outputs: 16))
    let out = temporaryFolder() + "/run"
    let data = runs.data
    let config = try runs.config {
      ($0.initFile, $0.steps, $0.checkRanksEvery, $0.keep) = (path, 2, 1, 9)
    }
    _ = try await withRankContexts(2) { context in
      let own = context.isFirst ? config : config.with { $0.initFile = "/nowhere/w.pth" }
      return try Pretraining(
        own, data: data, out: out, context: context, console: Console(quiet: true, silent: true)
      ).run()
    }
    let given = try values(path, "module.encoder_q.")
    #expect(stripped(try model(out + "/checkpoints/step-0", "encoder_q."), "encoder_q.") == given)
    #expect(steps(out) == [1, 2])
  }

  @Test func kNNIsMeasuredBeforeTheFirstStep() throws {
    let path = try weights(nil)
    let out = try runs.run(
      runs.config {
        ($0.initFile, $0.knnTrain, $0.knnTest, $0.epochs) = (path, runs.data, runs.data, 1)
      })
    let measured = RunLog.read(out + "/log.jsonl").compactMap {
      if case .knn(let knn) = $0 { knn.step } else { nil }
    }
    #expect(measured == [0, 5])
  }
}

extension RunConfig {
  /// A copy with a change.
  func with(_ change: (inout RunConfig) -> Void) -> RunConfig {
    var copy = self
    change(&copy)
    return copy
  }
}
