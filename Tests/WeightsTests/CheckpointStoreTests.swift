import Foundation
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

/// A small run: every tensor follows from the step.
struct SmallRun {
  let step: Int

  var state: TrainingState {
    TrainingState(
      step: step, epoch: step / 10, batch: step % 10, seed: .max, queuePointer: 3 * step,
      configHash: "c0ffee",
      lastLoss: 1 / Double(step), extra: ["best": 0.1])
  }

  var model: [(name: String, tensor: Tensor)] {
    [
      ("conv1.weight", Tensor((0..<24).map { Float($0 * step) }, shape: [2, 3, 2, 2])),
      ("bn1.num_batches_tracked", Tensor([step], shape: [])),
      ("queue", .full(Double(step), [4, 8], dtype: .float64)),
    ]
  }

  var optimizer: [(name: String, tensor: Tensor)] { [("velocity.0", .full(Double(-step), [24]))] }

  func save(in store: CheckpointStore) throws {
    try store.save(model: model, optimizer: optimizer, state: state, metadata: ["arch": "resnet8"])
  }

  func steps(in store: CheckpointStore) -> [CheckpointStore.SaveStep] {
    store.saveSteps(model: model, optimizer: optimizer, state: state, metadata: ["arch": "resnet8"])
  }

  func expect(_ checkpoint: Checkpoint?) throws {
    let checkpoint = try #require(checkpoint)
    #expect(checkpoint.state == state)
    #expect(checkpoint.metadata == ["arch": "resnet8"])
    for (tensors, expected) in [(checkpoint.model, model), (checkpoint.optimizer, optimizer)] {
      #expect(tensors.count == expected.count)
      for (name, tensor) in expected {
        let found = try #require(tensors[name])
        #expect(found.shape == tensor.shape && found.dtype == tensor.dtype)
        #expect(found.array(of: Double.self) == tensor.array(of: Double.self))
      }
    }
  }
}

@Suite struct CheckpointStoreTests {
  @Test func givesBackWhatWasSaved() throws {
    try withFolder { folder in
      let store = try CheckpointStore(folder: joined(folder, "run/checkpoints"))
      #expect(try store.loadLatest()?.path == nil)
      try SmallRun(step: 7).save(in: store)
      let checkpoint = try store.loadLatest()
      try SmallRun(step: 7).expect(checkpoint)
      #expect(checkpoint?.damaged == [])
      #expect(checkpoint?.path == joined(store.folder, "step-7"))
      #expect(
        try names(in: joined(store.folder, "step-7")) == [
          "model.safetensors", "optimizer.safetensors", "state.json",
        ])
    }
  }

  @Test func stateIsPlainJSON() throws {
    try withFolder { folder in
      try SmallRun(step: 7).save(in: CheckpointStore(folder: folder))
      let json = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(filePath: joined(folder, "step-7/state.json"))))
      let state = try #require(json as? [String: Any])
      #expect(state["format"] as? Int == 1)
      #expect(state["step"] as? Int == 7)
      #expect(state["seed"] as? UInt64 == .max)
      let files = try #require(state["files"] as? [String: [String: Any]])
      let tensors = try #require(files["model.safetensors"]?["tensors"] as? [String: String])
      #expect(tensors.count == 3)
      // zlib.crc32(struct.pack("<q", 7)) in Python.
      #expect(tensors["bn1.num_batches_tracked"] == "6fe7d670")
    }
  }

  @Test func equalRunsGiveEqualBytes() throws {
    try withFolder { folder in
      let stores = try ["a", "b"].map { try CheckpointStore(folder: joined(folder, $0)) }
      for store in stores { try SmallRun(step: 7).save(in: store) }
      for name in ["model.safetensors", "optimizer.safetensors", "state.json"] {
        let files = try stores.map { try bytes(at: joined($0.folder, "step-7/\(name)")) }
        #expect(files[0] == files[1], "\(name)")
      }
    }
  }

  @Test func keepsTheNewest() throws {
    try withFolder { folder in
      let store = try CheckpointStore(folder: folder, keep: 2)
      for step in [5, 9, 10, 100] { try SmallRun(step: step).save(in: store) }
      #expect(try names(in: folder) == ["latest", "step-10", "step-100"])
      #expect(try bytes(at: joined(folder, "latest")) == Array("step-100\n".utf8))
    }
  }

  @Test func aSaveReplacesOneOfTheSameStepAndThoseOfLaterSteps() throws {
    try withFolder { folder in
      let store = try CheckpointStore(folder: folder, keep: 3)
      for step in [10, 20, 30] { try SmallRun(step: step).save(in: store) }
      let changed = SmallRun(step: 21)
      var state = changed.state
      state.step = 20
      try store.save(model: changed.model, optimizer: [], state: state)
      #expect(try names(in: folder) == ["latest", "step-10", "step-20"])
      #expect(try store.loadLatest()?.model["queue"]?.array(of: Double.self).first == 21)
    }
  }

  /// Ends a save after each of its steps, as a kill would, and opens the folder anew.
  @Test(arguments: [(10, 20), (20, 20)])
  func aSaveThatWasKilledLeavesTheOldOrTheNewOne(before: Int, saved: Int) throws {
    let count = try stepCount()
    #expect(count == 8)
    for done in 0...count {
      try withFolder { folder in
        let store = try CheckpointStore(folder: folder, keep: 1)
        try SmallRun(step: before).save(in: store)
        for step in SmallRun(step: saved).steps(in: store).prefix(done) { try step.run() }
        // The new one is complete once `latest` names it: the seventh step.
        let expected = SmallRun(step: done < 7 ? before : saved)
        let reopened = try CheckpointStore(folder: folder, keep: 1)
        let checkpoint = try reopened.loadLatest()
        try expected.expect(checkpoint)
        #expect(checkpoint?.damaged == [])
        #expect(try names(in: folder).filter { $0.hasPrefix(".") } == [], "after \(done) steps")

        try SmallRun(step: 30).save(in: reopened)
        #expect(try names(in: folder) == ["latest", "step-30"])
      }
    }
  }

  private func stepCount() throws -> Int {
    var count = 0
    try withFolder { count = SmallRun(step: 1).steps(in: try CheckpointStore(folder: $0)).count }
    return count
  }

  @Test func opensOverWhatAKilledRunLeft() throws {
    try withFolder { folder in
      for name in [".saving-step-4", ".removed-step-1", ".replaced-step-2", "step-2"] {
        try FileManager.default.createDirectory(
          atPath: joined(folder, name), withIntermediateDirectories: true)
      }
      try put([1], at: joined(folder, ".saving-123-9f3a"))
      try put([1], at: joined(folder, ".hidden-thing-of-the-user"))
      try put([1], at: joined(folder, ".saving-step-4/model.safetensors"))
      _ = try CheckpointStore(folder: folder)
      #expect(try names(in: folder) == [".hidden-thing-of-the-user", "step-2"])
    }
  }

  @Test(.enabled(if: SmallDisk.isPossible, "this machine does not let the test mount a small disk"))
  func aFullDiskCostsNothingThatWasSaved() throws {
    try SmallDisk.with(kilobytes: 256) { disk in
      let folder = joined(disk, "checkpoints")
      let store = try CheckpointStore(folder: folder)
      try SmallRun(step: 10).save(in: store)
      let error = try failure(CheckpointError.self) {
        try store.save(
          model: [("big", .zeros([200_000]))], optimizer: [], state: SmallRun(step: 20).state)
      }
      #expect(
        error.description
          == "the checkpoint of step 20 could not be saved: cannot write \(folder)/.saving-step-20/model.safetensors"
          + ": the disk is full. Free space on it, or choose a folder on another disk. "
          + "The checkpoints in \(folder) are as they were; --resume auto goes on from the newest.")
      #expect(try names(in: folder) == ["latest", "step-10"])
      try SmallRun(step: 10).expect(try store.loadLatest())
      try SmallRun(step: 30).save(in: store)
      try SmallRun(step: 30).expect(try store.loadLatest())
    }
  }
}

/// A disk of a few kilobytes in memory, where the test may mount one.
enum SmallDisk {
  static let isPossible: Bool = {
    do {
      try with(kilobytes: 64) { _ in }
      return true
    } catch { return false }
  }()

  static func with(kilobytes: Int, _ body: (String) throws -> Void) throws {
    try withFolder { folder in
      try run(["mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", folder])
      defer { try? run(["umount", folder]) }
      try body(folder)
    }
  }

  private static func run(_ command: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Unthrown() }
  }
}
