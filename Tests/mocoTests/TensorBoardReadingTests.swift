import Foundation
import Images
import TensorBoard
import TestSupport
import Testing
import Training
import Weights

/// A run's event files, read by TensorBoard itself. Skipped where there is none; see ``Python``.
@Suite(.serialized) struct TensorBoardTests {
  private static let python = Python.importing("tensorboard")

  private let out = temporaryFolder() + "/run"

  /// Reads a folder as TensorBoard's library for scripts does, checks that its server's reader sees the same points,
  /// and prints all of it as JSON.
  private static let readScript = """
    import base64
    import json
    import sys
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as ServerAccumulator
    from tensorboard.util import tensor_util

    folder = sys.argv[1]
    board = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    board.Reload()
    tags = board.Tags()
    scalars = {tag: [[e.step, e.value] for e in board.Scalars(tag)] for tag in tags["scalars"]}
    def text(event):
        return tensor_util.make_ndarray(event.tensor_proto).item(0).decode()
    texts = {tag: [{"step": e.step, "text": text(e)} for e in board.Tensors(tag)] for tag in tags["tensors"]}

    images = {tag: [{"step": e.step, "png": base64.b64encode(e.encoded_image_string).decode()} for e in board.Images(tag)] for tag in tags["images"]}

    server = ServerAccumulator(folder, size_guidance={"tensors": 0}, tensor_size_guidance={"scalars": 0, "text": 0})
    server.Reload()
    assert set(server.Tags()["tensors"]) == scalars.keys() | texts.keys() | images.keys(), server.Tags()
    assert set(server.PluginTagToContent("text")) == texts.keys()
    for tag, points in scalars.items():
        seen = [[e.step, tensor_util.make_ndarray(e.tensor_proto).item()] for e in server.Tensors(tag)]
        assert seen == points, (tag, seen, points)
    json.dump({"scalars": scalars, "texts": texts, "images": images}, sys.stdout)
    """

  private struct Board: Decodable {
    struct Text: Decodable {
      let step: Int
      let text: String
    }
    /// Pairs of step and value, for each curve.
    let scalars: [String: [[Double]]]
    let texts: [String: [Text]]
    struct Image: Decodable {
      let step: Int
      let png: Data
    }
    let images: [String: [Image]]
  }

  private var log: [RunEvent] { RunLog.read("\(out)/log.jsonl") }

  private var steps: [RunEvent.Step] { log.compactMap { if case .step(let step) = $0 { step } else { nil } } }

  /// Trains and kills the run some steps after a checkpoint.
  private func trainAndKill(_ arguments: [String]) throws {
    var saved: Int?
    repeat {
      let process = try Program.start(arguments)
      let wanted = (steps.last?.step ?? 0) + 55
      while process.isRunning, (steps.last?.step ?? 0) < wanted { usleep(1_000) }
      try #require(process.isRunning, "the run ended by itself")
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      saved = try Checkpoint.load(out).state?.step
    } while steps.last?.step == saved
  }

  @Test(.enabled(if: python != nil, "no Python with tensorboard; set PYTHON to one"))
  func aKilledAndResumedRunIsReadAsItsLogHasIt() throws {
    let python = try #require(Self.python)
    let data = try makeImageFolder(images: 40)
    let arguments = [
      "pretrain", data, "--out", out, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16",
      "--batch-size", "8", "--bn-splits", "1", "--moco-k", "33", "--device", "cpu", "--workers", "1",
      "--log-every", "1", "--save-every", "50", "--epochs", "100000", "--knn-train", data, "--knn-test", data,
      "--knn-every", "2",
    ]
    try trainAndKill(arguments)
    // Killed while it wrote: a record that is cut off.
    let names = try FileManager.default.contentsOfDirectory(atPath: out).filter { $0.contains("tfevents") }
    let torn = try FileHandle(forWritingTo: URL(filePath: "\(out)/\(try #require(names.max()))"))
    try torn.seekToEnd()
    try torn.write(contentsOf: Data([200, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]))
    try torn.close()
    let last = try #require(steps.last).step + 20
    let result = try Program.run(arguments + ["--steps", "\(last)"])
    #expect(result.code == 0, "\(result.errors)")

    let board = try JSONDecoder().decode(Board.self, from: python.run(Self.readScript, [out]))
    let steps = steps
    #expect(steps.map(\.step) == Array(1...last))
    let fields: [(String, (RunEvent.Step) -> Double?)] = [
      ("train/loss", { $0.loss }), ("train/lr", { $0.lr }), ("train/momentum", { $0.momentum }),
      ("train/epoch", { $0.epoch }), ("contrast/top1", { $0.contrastTop1 }),
      ("contrast/top5", { $0.contrastTop5 }), ("features/alignment", { $0.diagnostics?.alignment }),
      ("features/rank", { $0.diagnostics?.featureRank }), ("queue/age", { $0.diagnostics?.queueAge }),
      ("speed/images_per_second", { $0.imagesPerSecond }), ("speed/data_wait", { $0.dataWait }),
    ]
    for (tag, field) in fields {
      let points = try #require(board.scalars[tag], "\(tag)")
      #expect(points.map { Int($0[0]) } == Array(1...last), "\(tag)")
      // The file holds single precision.
      #expect(points.map { Float?(Float($0[1])) } == steps.map { field($0).map(Float.init) }, "\(tag)")
    }
    let knn = log.compactMap {
      if case .knn(let knn) = $0 { [Double(knn.step), Double(Float(knn.top1))] } else { nil }
    }
    #expect(knn.count > 5 && board.scalars["knn/top1"] == knn)

    let views = try #require(board.images["views"])
    #expect(board.images.count == 1 && views.map(\.step) == [1])
    #expect(views.first?.png == (try Data(contentsOf: URL(filePath: "\(out)/views.png"))))

    let configurations = try #require(board.texts["config"])
    #expect(configurations.count == 2 && configurations.allSatisfy { $0.text.contains("\narch: resnet8\n") })
    #expect(configurations.first?.step == 1)
    let warnings = log.compactMap { if case .warning(let warning) = $0 { warning } else { nil } }
    #expect(warnings.count == 6)  // of one split, of the queue's size and of few neighbours, in both sessions
    for warning in warnings {
      let text = board.texts["warnings"]?.last { $0.step == warning.step }?.text
      #expect(text?.contains(warning.message) == true, "\(warning)")
    }
  }

  @Test(.enabled(if: python != nil, "no Python with tensorboard; set PYTHON to one"))
  func aPictureIsReadPixelForPixel() throws {
    let python = try #require(Self.python)
    let folder = temporaryFolder()
    let picture = RGBImage(width: 3, height: 2, pixels: (0..<18).map { UInt8($0 * 14) })
    try EventFile(in: folder, resumingFrom: 0).write(image: picture, tag: "views", step: 5)
    let png = try python.run(
      """
      import sys
      from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
      board = EventAccumulator(sys.argv[1]).Reload()
      image, = board.Images("views")
      assert (image.step, image.width, image.height) == (5, 3, 2), image
      sys.stdout.buffer.write(image.encoded_image_string)
      """, [folder])
    #expect(try ImageDecoder().decode(png) == picture)
  }
}
