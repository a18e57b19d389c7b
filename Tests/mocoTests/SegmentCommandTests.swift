import Data
import Foundation
import Images
import TestSupport
import Testing
import Training

/// `moco segment` as a user runs it, on images of 40 × 32 pixels whose left part is a tree.
@Suite(.serialized) struct SegmentCommandTests {
  private let folder = temporaryFolder()
  private let data: String
  private var out: String { folder + "/run" }

  init() throws {
    let (width, height) = (40, 32)
    for name in ["images", "masks"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    for number in 0..<6 {
      let edge = 8 + 4 * number
      let labels = (0..<width * height).map { UInt8($0 % width < edge ? 1 : 0) }
      let pixels = labels.enumerated().flatMap { place, label in
        label == 1 ? [20, UInt8(120 + place % 60), 30] : [UInt8(150 + place % 50), 140, 160]
      }
      try put(
        Array(try RGBImage(width: width, height: height, pixels: pixels).pngData()),
        at: "\(folder)/images/\(number).png")
      try put(
        Array(try LabelMap(height: height, width: width, labels: labels).pngData()),
        at: "\(folder)/masks/\(number).png")
    }
    try put(Array("ground\ntree\n".utf8), at: "\(folder)/masks/classes.txt")
    data = "\(folder)/images@\(folder)/masks"
  }

  private func command(_ more: [String] = [], to out: String? = nil) -> [String] {
    [
      "segment", "--init", "random", "--train", data, "--test", data, "--out", out ?? self.out, "--recipe",
      "small-fcn", "--crop-size", "33", "--head-channels", "8", "--head-dilation", "2", "--batch-size", "2",
      "--device", "cpu", "--workers", "1", "--log-every", "1", "--steps", "3",
    ] + more
  }

  private func log(_ out: String) -> [RunEvent] { RunLog.read(out + "/log.jsonl") }

  private func files(_ out: String, _ step: Int) throws -> [[UInt8]] {
    try ["model.safetensors", "optimizer.safetensors", "state.json"].map {
      try bytes(at: "\(out)/checkpoints/step-\(step)/\($0)")
    }
  }

  @Test func aRunIsTrainedTestedMeasuredAgainAndShown() throws {
    let result = try Program.run(command())
    #expect(result.code == 0, "\(result.errors)")
    #expect(
      result.errors.contains("segmenter fcn with resnet18, head of 8 channels; batch normalisation plain"))
    #expect(result.errors.contains("start     all weights are drawn at random"))
    // Of batch and rate once.
    #expect(result.errors.contains("warning: batch 2 at rate "), "\(result.errors)")
    #expect(
      result.errors.components(separatedBy: "In proportion to the batch").count == 2, "\(result.errors)")
    #expect(result.errors.contains("pixels of 6 masks: ") && result.errors.contains("mIoU"))
    #expect(result.errors.hasSuffix("Done. The label maps: \(out)/predictions\n"))
    #expect(try names(in: out + "/predictions").count == 6)
    #expect(
      try String(contentsOfFile: out + "/confusion.csv", encoding: .utf8).hasPrefix(
        "true \\ predicted,ground,tree\n"))
    #expect(try bytes(at: out + "/confusion.svg").starts(with: Array("<svg".utf8)))

    // The same command again has nothing to do.
    let again = try Program.run(command())
    #expect(again.code == 0 && again.errors.contains("Nothing is left to do: the run has made 3 steps"))

    let confusion = try bytes(at: out + "/confusion.svg")
    let test = try Program.run("segment", "--eval-only", "--test", data, "--out", out, "--device", "cpu")
    #expect(test.code == 0, "\(test.errors)")
    #expect(test.output.hasPrefix("mIoU ") && test.output.contains("\ntree"))
    #expect(test.output.hasSuffix("label maps of 6 images: \(out)/eval/predictions\n"))
    #expect(try bytes(at: out + "/eval/confusion.svg") == confusion)

    let measured = try Program.run(
      "evaluate", "\(folder)/masks", "\(out)/predictions", "--metric", "miou", "--classes", "2", "--json")
    #expect(measured.code == 0, "\(measured.errors)")
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [String: Any])
    let numbers = try #require(json["numbers"] as? [[String: Any]])
    let last = log(out).compactMap { if case .segmentation(let test) = $0 { test } else { nil } }.last
    let (mine, theirs) = (try #require(last?.scores["mIoU"]), try #require(numbers[0]["value"] as? Double))
    #expect(abs(mine - 100 * theirs) < 1e-9)  // decimal digits
    // The classes are those of classes.txt.
    let named = try Program.run("evaluate", "\(folder)/masks", "\(out)/predictions", "--metric", "miou")
    #expect(
      named.code == 0 && named.output.contains("\nground ") && named.output.contains("\ntree "), "\(named)")

    let tuned = try Program.run("finetune", out, "--train", folder, "--test", folder)
    #expect(
      tuned.code == 1
        && tuned.errors
          == "moco: \(out)/checkpoints/step-3: it holds a segmenter, made by `moco segment`, and no encoder. Give the encoder "
          + "that it started from.\n",
      "\(tuned.errors)")

    let report = try Program.run("report", out)
    #expect(report.code == 0 && report.errors.isEmpty, "\(report.errors)")
    #expect(report.output == "page: \(out)/report.html\n")
    let page = try String(contentsOfFile: out + "/report.html", encoding: .utf8)
    #expect(page.contains("segmentation run") && page.contains("<img class=\"panel\""))
    if let browser = Browser.found {
      let look = try browser.look(at: out + "/report.html", width: 390)
      #expect(look.console == [] && look.broken == [] && look.fetched == [] && look.content <= 390)
    }
    let svg = try Program.run("report", out, "--svg", out + "/x.svg")
    #expect(
      svg.code == 2
        && svg.errors
          == "moco: --svg: a segmenter's curves are in its page only, and its confusion in confusion.svg. Leave --svg out.\n"
    )
  }

  @Test func aCheckSaysWhatTrainingWillSay() throws {
    let good = try Program.run("check", data)
    #expect(good.code == 0 && !good.output.contains("warning"), "\(good)")

    // Masks of 0 and 255.
    for number in 0..<6 {
      let path = "\(folder)/masks/\(number).png"
      let map = try LabelMap.read(path)
      let labels: [UInt8] = map.labels.map { $0 == 1 ? 255 : 0 }
      try put(
        Array(try LabelMap(height: map.height, width: map.width, labels: labels).pngData()), at: path)
    }
    let binary = try Program.run("check", data)
    #expect(binary.code == 1)
    #expect(binary.output.contains("\nwarning       none of 6 masks has a pixel of tree, and "), "\(binary)")
    let json = try Program.run("check", data, "--json")
    #expect(json.code == 1 && json.output.contains("none of 6 masks has a pixel of tree"), "\(json)")

    // Training would not begin, or not end.
    for number in 0..<4 { try FileManager.default.removeItem(atPath: "\(folder)/masks/\(number).png") }
    let few = try Program.run("check", data)
    #expect(few.code == 1)
    #expect(
      few.output.contains(
        "\ntraining      refuses it: 4 of 6 images of \(data) cannot be used, more than 50%: "),
      "\(few)")
  }

  /// Killed between two steps wherever it is, then continued by the same command.
  @Test func aKilledRunEndsInTheSameBytes() throws {
    let unbroken = folder + "/unbroken"
    let options = ["--steps", "12", "--save-every", "2", "--test-every", "5", "--keep", "20"]
    #expect(try Program.run(command(options, to: unbroken)).code == 0)
    var step: Int { log(out).reduce(0) { if case .losses(let made) = $1 { made.step } else { $0 } } }
    for wanted in [3, 6, 9] {
      let run = try Program.start(command(options))
      while run.isRunning, step < wanted { usleep(2_000) }
      kill(run.processIdentifier, SIGKILL)
      run.waitUntilExit()
    }
    #expect(try Program.run(command(options)).code == 0)
    #expect(try files(out, 12) == files(unbroken, 12))
    for name in try names(in: unbroken + "/predictions") {
      #expect(try bytes(at: "\(out)/predictions/\(name)") == bytes(at: "\(unbroken)/predictions/\(name)"))
    }
    func tests(_ out: String) -> [Double?] {
      log(out).compactMap { if case .segmentation(let test) = $0 { test.scores["mIoU"] } else { nil } }
    }
    #expect(tests(out) == tests(unbroken) && tests(out).count == 3)
  }

  @Test func aSignalSavesAndTheSameCommandGoesOn() throws {
    let options = ["--steps", "100000"]
    let run = try Program.start(command(options))
    while run.isRunning, log(out).count < 4 { usleep(2_000) }
    kill(run.processIdentifier, SIGTERM)
    run.waitUntilExit()
    #expect(run.terminationReason == .exit && run.terminationStatus == 143)
    let made = log(out).reduce(0) { if case .losses(let step) = $1 { step.step } else { $0 } }
    #expect(try names(in: out + "/checkpoints").contains("step-\(made)"))
    let end = try Program.run(command(["--steps", "\(made + 1)"]))
    #expect(end.code == 0 && end.errors.contains("resumed   after step \(made)"), "\(end.errors)")
  }

  @Test func ranksShareTheWork() throws {
    let result = try Program.run(command(["--nproc", "2", "--norm", "sync"]))
    #expect(result.code == 0, "\(result.errors)")
    #expect(result.errors.contains("ranks     2, each 1 images of a step"))
    #expect(try names(in: out + "/predictions").count == 6)
  }

  @Test func aRecipeIsPrintedWithEveryKey() throws {
    let result = try Program.run("segment", "--recipe", "voc-fcn", "--print-config")
    #expect(result.code == 0 && result.errors.isEmpty)
    for line in ["arch: resnet50\n", "crop-size: 513\n", "decay-at: [21000, 27000]\n"] {
      #expect(result.output.contains(line), "\(line)\(result.output)")
    }
    let help = try Program.run("segment", "--help")
    #expect(
      help.code == 0
        && help.output.contains("voc-fcn, cityscapes-fcn, small-fcn, or the path of a"))
    #expect(help.output.contains("--crop-size <pixels>"))
    #expect(
      help.output.contains(
        "USAGE: moco segment [<checkpoint>] --recipe <recipe> --train <data> --test <data> --out <folder>"),
      "\(help.output)")
    #expect(help.output.contains("OPTIONS OF THE RECIPE:\n  A recipe sets them; a default counts"))
    #expect(!help.output.contains("vit_small"))
  }

  @Test func wrongUseIsOneLine() throws {
    func text(_ arguments: [String]) throws -> String {
      let result = try Program.run(arguments)
      #expect(result.code == 2 && result.output.isEmpty, "\(arguments): \(result)")
      #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
      return result.errors.replacing(folder, with: "FOLDER")
    }
    let recipes = "voc-fcn, cityscapes-fcn, small-fcn"
    #expect(
      try text(["segment", "x"])
        == "moco: --recipe is missing: one of \(recipes), or the path of a .yaml file.\n")
    #expect(
      try text(["segment", "x", "--recipe", "small-fcn"])
        == "moco: --train is missing: the annotated images to learn from.\n")
    #expect(
      try text(["segment", "--recipe", "small-fcn", "--train", data, "--test", data, "--out", out])
        == "moco: CHECKPOINT is missing: the weights to start from. Give a run or a file of weights, or --init random.\n"
    )
    #expect(
      try text(["segment", "x"] + command().dropFirst())
        == "moco: CHECKPOINT x and --init contradict each other: give one of them.\n")
    #expect(
      try text(command(["--scale-lr", "--lr", "1"]))
        == "moco: --lr and --scale-lr contradict each other: give one of them.\n")
    #expect(
      try text(command(["--eval-only"]))
        == "moco: --train goes not with --eval-only, which does not learn. Leave it out.\n")
    let none = try Program.run("segment", "--eval-only", "--test", data, "--out", folder + "/none")
    #expect(
      none.code == 2
        && none.errors
          == "moco: there is no checkpoint at \(folder)/none. Check the path, or train one first: moco segment CHECKPOINT "
          + "--recipe NAME --train DATA --test DATA --out \(folder)/none\n",
      "\(none)")
    #expect(
      try text(command(["--crop-size", "5"])) == "moco: --crop-size 5: 17 to 4,096.\n")
    #expect(
      try text(command(["--nproc", "3"]))
        == "moco: --batch-size 2: the batch does not divide by 3 ranks. Give a multiple of 3.\n")
    #expect(
      try text(command(["--init", folder + "/no.pth"]))
        == "moco: --init FOLDER/no.pth: there is no such file or folder. Check the path.\n")
  }
}
