import Files
import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Weights

/// Checkpoints by detectron2's names, written by Python (`make_detectron2.py`).
@Suite struct Detectron2Checkpoints {
  private static func norm(_ name: String, _ channels: Int = 2) -> [(String, [Int])] {
    ["weight", "bias", "running_mean", "running_var"].map { ("\(name).\($0)", [channels]) } + [
      ("\(name).num_batches_tracked", [])
    ]
  }

  private static func block(_ conv: String, _ bn: String, inputs: Int = 2) -> [(String, [Int])] {
    [("\(conv).weight", [2, inputs, 1, 1])] + norm(bn)
  }

  /// The C4 detector of the fixtures by this project's names, all zeros, in the order of detectron2's names.
  private static func detector(classes: Int = 2) -> [Module.Entry] {
    let rows: [(String, [Int])] =
      block("backbone.conv1", "backbone.bn1", inputs: 3)
      + block("backbone.layer1.0.downsample.0", "backbone.layer1.0.downsample.1")
      + block("backbone.layer1.0.conv1", "backbone.layer1.0.bn1")
      + [
        ("proposal_generator.rpn_head.conv.weight", [2, 2, 3, 3]),
        ("proposal_generator.rpn_head.conv.bias", [2]),
      ] + block("roi_heads.res5.0.conv1", "roi_heads.res5.0.bn1") + norm("roi_heads.res5.norm") + [
        ("roi_heads.box_predictor.cls_score.weight", [classes + 1, 2]),
        ("roi_heads.box_predictor.cls_score.bias", [classes + 1]),
      ]
    return rows.map { name, shape in
      Module.Entry(
        name: name, tensor: .zeros(shape, dtype: name.hasSuffix("tracked") ? .int64 : .float32),
        kind: name.contains("running") || name.hasSuffix("tracked") ? .buffer : .parameter)
    }
  }

  private static func isCounter(_ entry: Module.Entry) -> Bool { entry.name.hasSuffix("tracked") }

  /// 0.5, 1.5, 2.5, … in the order of the tensors, as the script counts.
  private static func expectCounting(_ state: [Module.Entry], _ path: String) {
    var next = 0.5
    for entry in state where !isCounter(entry) {
      let wanted = (0..<entry.tensor.count).map { next + Double($0) }
      next += Double(entry.tensor.count)
      #expect(entry.tensor.array(of: Double.self) == wanted, "\(path): \(entry.name)")
    }
  }

  /// - Returns: the tensors by the state's names.
  private static func read(_ path: String, for state: [Module.Entry]) throws -> [String: Tensor]? {
    try Detectron2Checkpoint(WeightsFile(path))?.tensors(for: state.map(\.name))
  }

  @Test(arguments: ["detectron2.pkl", "detectron2.pth"])
  func everyTensorOfADetectorIsFoundByItsName(name: String) throws {
    let state = Self.detector()
    let found = try #require(try Self.read(fixture(name), for: state))
    // The script's order; the model zoo's files have no counters.
    let wanted = state.filter { name.hasSuffix("pth") || !Self.isCounter($0) }
    #expect(Set(found.keys) == Set(wanted.map(\.name)))
    Self.expectCounting(
      wanted.compactMap { entry in
        found[entry.name].map { .init(name: entry.name, tensor: $0, kind: entry.kind) }
      }, name)
    for entry in wanted { #expect(found[entry.name]?.shape == entry.tensor.shape, "\(entry.name)") }
    #expect(wanted.filter(Self.isCounter).allSatisfy { found[$0.name]?.item() == 7 })
  }

  @Test func whatHasNoPlaceKeepsItsName() throws {
    let state = Self.detector().filter { !$0.name.contains("cls_score") }
    let found = try #require(try Self.read(fixture("detectron2.pth"), for: state))
    #expect(
      Set(found.keys).subtracting(state.map(\.name))
        == ["roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.bias"])
  }

  /// Blue comes first in the detectors of the model zoo.
  @Test func pixelsOfAnotherKindAreSaid() throws {
    let spec = DetectorSpec(.c4, classes: 2)
    let zoo = try #require(try Detectron2Checkpoint(WeightsFile(fixture("detectron2.pkl"))))
    #expect(
      zoo.notes(for: spec) == [
        "the file's weights are for images with pixel_mean 103.530 116.280 123.675, and this detector's with "
          + "123.675 116.280 103.530",
        "the file's weights are for images with pixel_std 1.000 1.000 1.000, and this detector's with "
          + "58.395 57.120 57.375",
      ])
    let trained = try #require(try Detectron2Checkpoint(WeightsFile(fixture("detectron2.pth"))))
    #expect(trained.notes(for: spec) == [])
  }

  @Test func aBackboneAloneIsNoDetector() throws {
    #expect(try Self.read(fixture("detectron2-backbone.pkl"), for: Self.detector()) == nil)
  }

  /// Tensors that `body` is to find again, with numbers that a shorter type would lose.
  private static func filled() -> [Module.Entry] {
    let state = detector()
    withNoGrad {
      for (index, entry) in state.enumerated() where !isCounter(entry) {
        entry.tensor.copy(from: formula(salt: index, shape: entry.tensor.shape).to(.float32))
      }
    }
    return state
  }

  @Test(arguments: ["x.pkl", "x.pth"])
  func anExportIsReadBackBitForBitWhateverItsForm(name: String) throws {
    let state = Self.filled()
    try withFolder { folder in
      let path = joined(folder, name)
      try Detectron2Export(state, iteration: 24_000).write(to: path)
      let found = try #require(try Self.read(path, for: state))
      #expect(found.count == state.count)
      for entry in state {
        #expect(
          found[entry.name]?.array(of: Double.self) == entry.tensor.array(of: Double.self), "\(entry.name)")
        #expect(found[entry.name]?.dtype == entry.tensor.dtype)
      }
      // What is written from what was read has the same bytes.
      let again = joined(folder, "again")
      try FileManager.default.createDirectory(atPath: again, withIntermediateDirectories: true)
      let read = state.map { ($0.name, found[$0.name] ?? $0.tensor) }
      try Detectron2Export(read, iteration: 24_000).write(to: joined(again, name))
      #expect(try bytes(at: path) == bytes(at: joined(again, name)))
    }
  }

  @Test func anotherEndingIsRefused() {
    #expect(
      throws: UsageError("--out x.bin: detectron2 takes a file that ends in .pkl or .pth of a detector.")
    ) {
      try Detectron2Export(Self.detector(), iteration: 1).write(to: "x.bin")
    }
  }

  private static let python = Python.importing("torch", "numpy")

  /// PyTorch and pickle read what was written.
  @Test(.enabled(if: Self.python != nil)) func pythonReadsTheNamesAndTheNumbers() throws {
    let state = Self.filled()
    try withFolder { folder in
      for name in ["x.pkl", "x.pth"] {
        try Detectron2Export(state, iteration: 24_000).write(to: joined(folder, name))
      }
      let script = """
        import pickle, sys, torch
        pth = torch.load(sys.argv[1] + "/x.pth", weights_only=True)
        assert pth["iteration"] == 24000, pth["iteration"]
        pkl = pickle.load(open(sys.argv[1] + "/x.pkl", "rb"))
        assert pkl["matching_heuristics"] is False and pkl["__author__"] == "swift-moco"
        assert list(pth["model"]) == list(pkl["model"])
        for name, tensor in pth["model"].items():
            array = torch.from_numpy(pkl["model"][name])
            assert torch.equal(array, tensor) and array.dtype == tensor.dtype, name
            print(name, float(tensor.double().sum()))
        """
      let output = String(decoding: try #require(Self.python).run(script, [folder]), as: UTF8.self)
      let expected = state.map {
        (GeneralizedRCNN.detectron2Name(of: $0.name), $0.tensor.to(.float64).sum().item())
      }
      let lines = output.split(separator: "\n").map { $0.split(separator: " ") }
      #expect(lines.map { String($0[0]) } == expected.map(\.0))
      for (line, wanted) in zip(lines, expected) {
        // Sums of at most 36 numbers below 1, in another order.
        #expect(abs((Double(line[1]) ?? .nan) - wanted.1) < 1e-12, "\(wanted.0)")
      }
    }
  }
}
