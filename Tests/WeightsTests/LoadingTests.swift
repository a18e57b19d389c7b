import Foundation
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

@Suite struct LoadingTests {
  private func withRun(_ body: (_ run: String) throws -> Void) throws {
    try withFolder { run in
      let store = try CheckpointStore(folder: joined(run, "checkpoints"))
      for step in [10, 20] { try SmallRun(step: step).save(in: store) }
      try body(run)
    }
  }

  @Test(arguments: [
    "": 20, "checkpoints": 20, "checkpoints/": 20, "checkpoints/step-10": 10, "checkpoints/step-20": 20,
  ])
  func aFolderIsARunOrACheckpoint(path: String, step: Int) throws {
    try withRun { try SmallRun(step: step).expect(try Checkpoint.load(joined($0, path))) }
  }

  @Test func aFileIsItsTensors() throws {
    try withRun { run in
      let checkpoint = try Checkpoint.load(joined(run, "checkpoints/step-10/model.safetensors"))
      #expect(Set(checkpoint.model.keys) == Set(SmallRun(step: 10).model.map(\.name)))
      #expect(checkpoint.metadata == ["arch": "resnet8"])
      #expect(checkpoint.optimizer.isEmpty && checkpoint.state == nil)
    }
  }

  @Test func theOptimizerIsReadOnlyWhenAskedFor() throws {
    try withRun { run in
      try FileManager.default.removeItem(atPath: joined(run, "checkpoints/step-20/optimizer.safetensors"))
      let checkpoint = try Checkpoint.load(run, optimizer: false)
      #expect(checkpoint.state?.step == 20 && checkpoint.damaged.isEmpty && checkpoint.optimizer.isEmpty)
      #expect(try Checkpoint.load(run).state?.step == 10)
    }
  }

  @Test func readingChangesNothing() throws {
    try withRun { run in
      let folder = joined(run, "checkpoints")
      try FileManager.default.createDirectory(
        atPath: joined(folder, ".saving-step-30"), withIntermediateDirectories: false)
      _ = try Checkpoint.load(run)
      #expect(try names(in: folder) == [".saving-step-30", "latest", "step-10", "step-20"])
    }
  }

  @Test func whatIsNotThereOrNoCheckpointIsSaidSo() throws {
    try withFolder { folder in
      let missing = try failure(CheckpointError.self) { _ = try Checkpoint.load(joined(folder, "x")) }
      #expect(
        missing.description
          == "there is no checkpoint at \(folder)/x. Check the path, or train one first: "
          + "moco pretrain DATA --out \(folder)/x")

      // A file is not trained.
      for (name, rest) in [
        ("x.safetensors", ""),
        ("x.pth", " Weights from elsewhere, such as a .pth, need `moco import` first."),
      ] {
        let file = try failure(CheckpointError.self) { _ = try Checkpoint.load(joined(folder, name)) }
        #expect(file.description == "there is no checkpoint at \(folder)/\(name). Check the path.\(rest)")
      }

      let other = try failure(CheckpointError.self) { _ = try Checkpoint.load(folder) }
      #expect(
        other.description
          == "\(folder) is no checkpoint. Give a run folder (with checkpoints/ in it), a checkpoint folder (with "
          + "model.safetensors and state.json) or a .safetensors file. Weights from elsewhere, such as a .pth, need "
          + "`moco import` first.")

      try put([1, 2], at: joined(folder, "weights.pth"))
      #expect(throws: CheckpointError.notACheckpoint(joined(folder, "weights.pth"))) {
        try Checkpoint.load(joined(folder, "weights.pth"))
      }

      try FileManager.default.createDirectory(
        atPath: joined(folder, "checkpoints"), withIntermediateDirectories: false)
      #expect(throws: CheckpointError.notFound(folder)) { try Checkpoint.load(folder) }
    }
  }
}

@Suite struct ModuleLoadingTests {
  private final class TwoLayers: Module {
    let first: Linear
    let second: Linear

    override init() {
      let generator = Generator(seed: 1)
      first = Linear(3, 2, using: generator)
      second = Linear(2, 1, using: generator)
    }
  }

  private let good: [String: Tensor] = [
    "first.weight": .full(1, [2, 3]), "first.bias": .full(2, [2]), "second.weight": .full(3, [1, 2]),
    "second.bias": .full(4, [1], dtype: .float64),
  ]

  @Test func copiesByName() throws {
    let module = TwoLayers()
    let identities = module.parameters.map(ObjectIdentifier.init)
    #expect(try module.load(good) == .init())
    #expect(
      module.state.map { $0.tensor.array(of: Float.self) } == [
        [1, 1, 1, 1, 1, 1], [2, 2], [3, 3], [4],
      ])
    #expect(module.parameters.map(ObjectIdentifier.init) == identities)
    #expect(module.second.weight.tensor.requiresGrad)
    // The file's tensors are copied, not shared.
    good["first.bias"]?.fill(9)
    #expect(module.first.bias?.tensor.array() == [2, 2] as [Float])
  }

  @Test func namesWhatDoesNotFitAndCopiesNothing() throws {
    let module = TwoLayers()
    let before = module.state.map { $0.tensor.array(of: Float.self) }
    var tensors = good
    tensors["second.bias"] = nil
    tensors["first.weight"] = .zeros([3, 2])
    for name in ["d", "b", "a", "c"] { tensors[name] = .zeros([1]) }
    let error = try failure(StateMismatch.self) { try module.load(tensors) }
    #expect(
      error.description
        == "the tensors do not fit TwoLayers: 1 missing: second.bias; 4 unexpected: a, b, c, …; "
        + "1 of another shape: first.weight ([3, 2], expected [2, 3]). "
        + "Check that the architecture and its options are those the checkpoint was made with.")
    #expect(module.state.map { $0.tensor.array(of: Float.self) } == before)
    #expect(throws: StateMismatch.self) { try module.load(tensors, strict: false) }
  }

  @Test func aLoadThatIsNotStrictReportsNames() throws {
    let module = TwoLayers()
    var tensors = good
    tensors["second.bias"] = nil
    tensors["fc.weight"] = .zeros([1])
    let differences = try module.load(tensors, strict: false)
    #expect(differences.missing == ["second.bias"])
    #expect(differences.unexpected == ["fc.weight"])
    #expect(module.second.weight.tensor.array() == [3, 3] as [Float])
  }
}
