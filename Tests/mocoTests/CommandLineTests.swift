import Foundation
import Images
import Methods
import TestSupport
import Testing
import Torch
import Training

/// Texts, exit codes and signals of the command line. Serialized: each run wants the cores.
@Suite(.serialized) struct CommandLineTests {
  private let data: String
  private let out = temporaryFolder() + "/run"

  init() throws { data = try makeImageFolder(images: 40) }

  private var small: [String] {
    [
      "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16", "--batch-size", "8", "--bn-splits", "2",
      "--moco-k", "12", "--device", "cpu", "--workers", "1", "--log-every", "1",
    ]
  }

  private func pretrain(_ more: String...) throws -> Program.Result {
    try Program.run(["pretrain", data, "--out", out] + small + more)
  }

  @Test func helpExplainsAndSucceeds() throws {
    for command in [
      [], ["pretrain"], ["knn"], ["inspect"], ["doctor"], ["bench", "step"], ["bench", "queue"],
    ] {
      let result = try Program.run(command + ["--help"])
      #expect(result.code == 0 && result.output.contains("USAGE: moco"), "\(command)")
    }
    let pretrain = try Program.run("pretrain", "--help").output.split(whereSeparator: \.isWhitespace)
    #expect(
      pretrain.joined(separator: " ").contains(
        "DATA is a folder of images or of class folders, a list (.txt, .csv), a zip file, tar shards or their index, or a "
          + "data set as it is downloaded (docs/guide/formats.md)."))
    #expect(try Program.run("--version").output.hasPrefix("moco "))
  }

  @Test func doctorMeasuresTheLibraryOfProducts() throws {
    let lines = try Program.run("doctor").output.split(separator: "\n")
    let line = try #require(lines.first { $0.hasPrefix("products") })
    #expect(line.hasPrefix("products   \(ProductLibrary.current), "))
    #expect(line.wholeMatch(of: #/.+, [1-9]\d* GFLOP/s a core( \(.+: [1-9]\d*\))?/#) != nil)
  }

  @Test func wrongUseExitsWith2AndOneLine() throws {
    let cases: [([String], String)] = [
      (["pretrain"], "moco: DATA is missing: the folder of images to learn from.\n"),
      (["pretrain", data], "moco: --out is missing: the folder for the run's log and checkpoints.\n"),
      (
        ["pretrain", data, "--out", out, "--moco-k", "0"],
        "moco: --moco-k 0: the queue needs room for at least one key, and at most 100,000,000.\n"
      ),
      (
        ["pretrain", data, "--out", out, "--batch-size", "-1"],
        "moco: --batch-size -1: 1 to 1,000,000 images.\n"
      ),
      (
        ["pretrain", data, "--out", out, "--batch-size", "512"],
        "moco: --batch-size 512: the data set has only 40 images. Use --batch-size 40, or more images.\n"
      ),
      (
        ["knn", out, "--train", data, "--test", data, "--k", "0"],
        "moco: --k 0: at least one neighbour votes.\n"
      ),
    ]
    for (arguments, message) in cases {
      let result = try Program.run(arguments)
      #expect(result.code == 2 && result.errors == message, "\(arguments): \(result.code) \(result.errors)")
    }
    let unknown = try Program.run("pretrain", data, "--out", out, "--mocok", "3")
    #expect(unknown.code == 2 && unknown.errors.hasPrefix("moco: Unknown option '--mocok'"))
    #expect(unknown.errors.split(separator: "\n").count == 1, "\(unknown.errors)")
    #expect(!FileManager.default.fileExists(atPath: out), "nothing may be left behind")
  }

  @Test func aMissingWorldIsSaidInOneLine() throws {
    let empty = temporaryFolder()
    for (path, expected, code) in [
      (out + "-missing", "does not exist; check the path", 2), (empty, "empty", 1),
    ] {
      let result = try Program.run(["pretrain", path, "--out", out] + small)
      #expect(
        result.code == code && result.errors.contains(expected) && result.errors.contains(path),
        "\(result.errors)")
      #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }
    let none = try Program.run("inspect", out)
    #expect(none.code == 2 && none.errors.hasPrefix("moco: "))
    if case .unavailable = Runtime.cuda {
      let cuda = try Program.run(["pretrain", data, "--out", out] + small + ["--device", "cuda"])
      #expect(cuda.code == 1 && cuda.errors.hasPrefix("moco: --device cuda: no GPU can be used: "))
    }
    #expect(!FileManager.default.fileExists(atPath: out), "nothing may be left behind")
  }

  /// Also those keys of it that are left to the program elsewhere, such as the stem.
  @Test(arguments: Recipe.names)
  func aRecipeWithoutOptionsIsTheRecipe(_ recipe: String) throws {
    let result = try Program.run("pretrain", "--recipe", recipe, "--print-config")
    #expect(result.code == 0, "\(result.errors)")
    #expect(result.output == (try RunConfig.recipe(recipe).yaml()))
  }

  @Test func theResolvedConfigurationIsPrinted() throws {
    let result = try Program.run("pretrain", "--recipe", "v2", "--moco-k", "4096", "--print-config")
    #expect(
      result.code == 0 && result.output.contains("moco-k: 4096\n") && result.output.contains("mlp: true\n"))
  }

  @Test func trainedMeasuredAndInspected() throws {
    #expect(try pretrain("--epochs", "1").code == 0)
    let picture = out + "/neighbours.png"
    let knn = try Program.run(
      "knn", out, "--train", data, "--test", data, "--k", "5", "--baselines", "--neighbours", picture,
      "--json")
    #expect(knn.code == 0, "\(knn.errors)")
    struct Report: Decodable {
      struct Row: Decodable {
        let encoder: String
        let top1: Double
      }
      let results: [Row]
      let testImages: Int
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let report = try decoder.decode(Report.self, from: Data(knn.output.utf8))
    #expect(report.results.map(\.encoder) == ["raw pixels", "untrained encoder", "trained encoder"])
    #expect(report.testImages == 40 && report.results.allSatisfy { (0...100).contains($0.top1) })
    let sheet = try ImageDecoder().decode(contentsOf: picture)
    #expect(sheet.width > sheet.height / 2 && sheet.height > 200)
    let inspect = try Program.run("inspect", out)
    #expect(inspect.code == 0 && inspect.output.contains("every tensor agrees with its checksum"))
    #expect(
      inspect.output.contains("\nconfig\n  method: moco\n") && inspect.output.contains("\n  arch: resnet8\n"),
      "\(inspect.output)")
  }

  @Test func anInterruptSavesAndExitsWith130AndATermWith143() throws {
    for (signal, code) in [(SIGINT, Int32(130)), (SIGTERM, 143)] {
      let before = loggedSteps()
      let process = try Program.start(["pretrain", data, "--out", out] + small + ["--epochs", "100000"])
      try waitForSteps(before + 2, process)
      kill(process.processIdentifier, signal)
      process.waitUntilExit()
      #expect(process.terminationReason == .exit && process.terminationStatus == code)
      #expect(try Program.run("inspect", out).code == 0)
    }
  }

  /// Killed at 20 random moments and continued each time: the last bytes are those of the unbroken run.
  @Test func aRunKilledAtAnyMomentContinuesBitForBit() throws {
    try killAndContinue(data, kills: 20)
  }

  /// Most kills fall into the middle of a shard, which is packed and read through a shuffle buffer.
  @Test func aRunOnShardsContinuesBitForBit() throws {
    let folder = temporaryFolder()
    #expect(try Program.run("pack", data, "--out", "\(folder)/s-{000..002}.tar").code == 0)
    for shard in 0..<3 {
      let gzip = Process()
      gzip.executableURL = URL(fileURLWithPath: "/bin/sh")
      gzip.arguments = ["-c", "gzip '\(folder)/s-00\(shard).tar'"]
      try gzip.run()
      gzip.waitUntilExit()
    }
    try killAndContinue("\(folder)/s-{000..002}.tar.gz", kills: 5, "--shuffle-buffer", "12")
  }

  private func killAndContinue(_ data: String, kills wantedKills: Int, _ more: String...) throws {
    let unbroken = temporaryFolder() + "/run"
    let steps = wantedKills * 10
    let options = small + more + ["--epochs", "\(steps / 5)", "--save-every", "2"]
    #expect(try Program.run(["pretrain", data, "--out", unbroken] + options).code == 0)

    var random = SystemRandomNumberGenerator()
    var kills = 0
    while kills < wantedKills {
      // Each life gets at most 9 steps far, so that none of them sees the end. Where a life was killed while it
      // saved, the next one begins at the checkpoint before.
      let before = loggedSteps()
      let process = try Program.start(["pretrain", data, "--out", out] + options)
      let wanted = Int.random(in: 0...8, using: &random)
      while process.isRunning, loggedSteps() < before + wanted { usleep(1_000) }
      usleep(UInt32.random(in: 0...(wanted == 0 ? 600_000 : 30_000), using: &random))
      try #require(process.isRunning && loggedSteps() < steps, "the run came to its end before it was killed")
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      kills += 1
    }
    let last = try Program.run(["pretrain", data, "--out", out] + options)
    #expect(last.code == 0, "\(last.errors)")
    for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
      let ours = try Data(contentsOf: URL(fileURLWithPath: "\(out)/checkpoints/step-\(steps)/\(file)"))
      let theirs = try Data(contentsOf: URL(fileURLWithPath: "\(unbroken)/checkpoints/step-\(steps)/\(file)"))
      #expect(ours.count > 100 && ours == theirs, "\(file) differs")
    }
  }

  @Test func aReaderThatGoesAwayDoesNotCostTheRun() throws {
    let errors = Pipe()
    let process = try Program.start(
      ["pretrain", data, "--out", out] + small + ["--epochs", "100000"], errors: errors)
    try waitForSteps(2, process)
    try errors.fileHandleForReading.close()
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 143)
    #expect(try Program.run("inspect", out).code == 0)
  }

  @Test func imagesOverThePixelLimitAreRefused() throws {
    let result = try pretrain("--max-pixels", "300")  // the images have 400
    #expect(result.code == 1)
    #expect(result.errors.contains("over the limit of 300"), "\(result.errors)")
  }

  @Test func manyBadImagesStopTheRunAndAreListed() throws {
    for number in 0..<5 {  // of 40, that is 12.5 %
      let file = URL(fileURLWithPath: String(format: "%@/class0/%03d.png", data, 2 * number))
      try Data(contentsOf: file).prefix(100).write(to: file)
    }
    let result = try pretrain("--epochs", "3")
    #expect(result.code == 1)
    #expect(result.errors.contains("5 of 40 images cannot be read, more than 5%"), "\(result.errors)")
    let list = try String(contentsOfFile: out + "/bad-files.txt", encoding: .utf8)
    #expect(list.split(separator: "\n").count == 5 && list.contains("class0/000.png"))
    #expect(try Program.run("inspect", out).code == 0, "the steps before were not kept")
  }

  @Test func oneImageIsNotEnough() throws {
    let lonely = temporaryFolder()
    try FileManager.default.copyItem(atPath: data + "/class0/000.png", toPath: lonely + "/a.png")
    let result = try Program.run(["pretrain", lonely, "--out", out] + small)
    #expect(result.code == 1 && result.errors.contains("at least 2"), "\(result.errors)")
  }

  private func loggedSteps() -> Int {
    let log = (try? String(contentsOfFile: out + "/log.jsonl", encoding: .utf8)) ?? ""
    return log.components(separatedBy: #""event":"step""#).count - 1
  }

  private func waitForSteps(_ count: Int, _ process: Process) throws {
    while process.isRunning {
      if loggedSteps() >= count { return }
      usleep(10_000)
    }
    Issue.record("the run ended by itself with \(process.terminationStatus)")
  }
}

/// Two classes of PNG images, all different.
func makeImageFolder(images: Int, side: Int = 20) throws -> String {
  let root = temporaryFolder() + "/images"
  for number in 0..<images {
    let label = number % 2
    let folder = "\(root)/class\(label)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var random = CounterGenerator(seed: 7, .weights, number)
    let (slope, phase) = (random.index(below: 12), random.index(below: 200))
    let pixels = (0..<side * side * 3).map { i -> UInt8 in
      let (x, y, channel) = (i / 3 % side, i / 3 / side, i % 3)
      return UInt8((phase + slope * (label == 0 ? x : y) + 40 * channel + random.index(below: 30)) % 256)
    }
    let file = URL(fileURLWithPath: String(format: "%@/%03d.png", folder, number))
    try RGBImage(width: side, height: side, pixels: pixels).pngData().write(to: file)
  }
  return root
}
