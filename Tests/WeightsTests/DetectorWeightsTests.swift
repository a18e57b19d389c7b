import Files
import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Weights

/// Checkpoints by detectron2's names, written by Python (`make_detectron2.py`).
@Suite struct DetectorWeightsFromFiles {
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

  private static func load(_ path: String, into state: [Module.Entry]) throws -> DetectorMatch {
    let spec = DetectorSpec(.c4, classes: 2)
    return try DetectorWeights(path).load(
      into: state, detectronName: GeneralizedRCNN.detectron2Name, pixelMean: spec.pixelMean,
      pixelStd: spec.pixelStd)
  }

  @Test(arguments: ["detectron2.pkl", "detectron2.pth"])
  func everyTensorOfADetectorArrives(name: String) throws {
    let path = fixture(name), state = Self.detector()
    #expect(try DetectorWeights(path).kind == .detector)
    let match = try Self.load(path, into: state)
    Self.expectCounting(state, path)
    #expect(
      match.isComplete && match.unused.isEmpty && match.encoderMatched == 20 && match.encoderCount == 20)
    let counters = state.filter(Self.isCounter).map { $0.tensor.item() }
    #expect(counters == Array(repeating: name.hasSuffix("pth") ? 7 : 0, count: 5))
    #expect(
      match.summary
        == (name.hasSuffix("pth")
          ? "33 of 33 tensors matched, all 20 of the backbone among them."
          : "28 of 28 tensors matched, all 20 of the backbone among them."))
    #expect(
      match.notes
        == (name.hasSuffix("pth")
          ? []
          : [
            "the file's weights are for images with pixel_mean [103.53, 116.28, 123.675], and this detector's with "
              + "[123.675, 116.28, 103.53]",
            "the file's weights are for images with pixel_std [1.0, 1.0, 1.0], and this detector's with "
              + "[58.395, 57.12, 57.375]",
          ]))
  }

  /// conv5 of a backbone lands in the heads of a C4 detector.
  @Test func aBackboneArrivesAndTheRestIsListedByName() throws {
    let path = fixture("detectron2-backbone.pkl"), state = Self.detector()
    let weights = try DetectorWeights(path)
    #expect(weights.kind == .encoder && weights.otherCount == 0)
    let match = try Self.load(path, into: state)
    Self.expectCounting(state.filter { DetectorNames.encoderName(of: $0.name) != nil }, path)
    for entry in state where DetectorNames.encoderName(of: entry.name) == nil {
      #expect(entry.tensor.array(of: Double.self).allSatisfy { $0 == 0 }, "\(entry.name)")
    }
    #expect(match.summary == "24 of 32 tensors matched, all 20 of the backbone among them.")
    #expect(
      match.details == [
        "8 not in the file, left at their starting values: proposal_generator.rpn_head.conv.weight, "
          + "proposal_generator.rpn_head.conv.bias, roi_heads.res5.norm.weight, roi_heads.res5.norm.bias, "
          + "roi_heads.res5.norm.running_mean, roi_heads.res5.norm.running_var, "
          + "roi_heads.box_predictor.cls_score.weight, roi_heads.box_predictor.cls_score.bias"
      ])
    #expect(!match.isComplete)
  }

  @Test func scoresOfOtherClassesKeepTheirStartingValues() throws {
    let state = Self.detector(classes: 4)
    let match = try Self.load(fixture("detectron2.pth"), into: state)
    #expect(match.summary == "31 of 33 tensors matched, all 20 of the backbone among them.")
    #expect(
      match.details == [
        "2 of another shape, left at their starting values: "
          + "roi_heads.box_predictor.cls_score.weight [3, 2], not [5, 2], "
          + "roi_heads.box_predictor.cls_score.bias [3], not [5]"
      ])
    #expect(state.filter { $0.name.contains("cls_score") }.allSatisfy { $0.tensor.sum().item() == 0 })
  }

  @Test func aBackboneThatIsNotAllThereIsAnErrorAndChangesNothing() throws {
    var state = Self.detector()
    state.append(
      .init(name: "backbone.layer2.0.conv1.weight", tensor: .zeros([2, 2, 1, 1]), kind: .parameter))
    let path = fixture("detectron2-backbone.pkl")
    func failure(_ problem: String) -> InterchangeError {
      InterchangeError(
        path: path,
        problem: .noEncoder(problem + ". Give weights of the same architecture, or --init random."))
    }
    #expect(
      throws: failure(
        "1 of the 21 tensors of the backbone did not match, such as backbone.res3.0.conv1.weight, which the file does "
          + "not have")
    ) { try Self.load(path, into: state) }
    state[state.count - 1] = .init(
      name: "backbone.layer1.0.conv1.weight", tensor: .zeros([4, 2, 1, 1]), kind: .parameter)
    #expect(
      throws: failure(
        "1 of the 21 tensors of the backbone did not match, such as backbone.res2.0.conv1.weight, of shape [2, 2, 1, 1] "
          + "in the file and [4, 2, 1, 1] in the detector")
    ) { try Self.load(path, into: state) }
    for entry in state {
      #expect(entry.tensor.array(of: Double.self).allSatisfy { $0 == 0 }, "\(entry.name)")
    }
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
      try DetectorExport(state, iteration: 24_000).write(to: path)
      let read = Self.detector()
      let match = try Self.load(path, into: read)
      #expect(match.isComplete && match.unused.isEmpty && match.matched.count == state.count)
      for (a, b) in zip(state, read) {
        #expect(a.tensor.array(of: Double.self) == b.tensor.array(of: Double.self), "\(a.name)")
      }
      // What is written from what was read has the same bytes.
      let again = joined(folder, "again")
      try FileManager.default.createDirectory(atPath: again, withIntermediateDirectories: true)
      try DetectorExport(read, iteration: 24_000).write(to: joined(again, name))
      #expect(try bytes(at: path) == bytes(at: joined(again, name)))
    }
  }

  @Test func anotherEndingIsRefused() {
    #expect(
      throws: UsageError("--out x.bin: detectron2 takes a file that ends in .pkl or .pth of a detector.")
    ) {
      try DetectorExport(Self.detector(), iteration: 1).write(to: "x.bin")
    }
  }

  private static let python = Python.importing("torch", "numpy")

  /// PyTorch and pickle read what was written.
  @Test(.enabled(if: Self.python != nil)) func pythonReadsTheNamesAndTheNumbers() throws {
    let state = Self.filled()
    try withFolder { folder in
      for name in ["x.pkl", "x.pth"] {
        try DetectorExport(state, iteration: 24_000).write(to: joined(folder, name))
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
