import Foundation
import Images
import TestSupport
import Testing
import Torch
import Training
import Weights

/// `moco detect` and the commands that take its runs, as a user runs them. Serialized: each run wants the cores.
@Suite(.serialized) struct DetectCommandTests {
  private let folder = temporaryFolder()

  /// A detector of a few steps on small images.
  private static let recipe = ["--recipe", "small-c4", "--device", "cpu", "--workers", "1"]
  private static let sizes = [
    "--short-sides", "48", "--max-side", "64", "--test-short-side", "48", "--test-max-side", "64",
    "--anchor-sizes", "16,32", "--batch-size", "2", "--lr", "0.005", "--roi-batch", "8", "--rpn-batch", "16",
    "--rpn-pre-train", "100", "--rpn-post-train", "30", "--rpn-pre-test", "50", "--rpn-post-test", "10",
    "--precise-bn", "2", "--warmup-steps", "2", "--decay-at", "3", "--score-threshold", "0", "--log-every",
    "1",
  ]

  private func command(_ set: RectangleSet, _ more: [String], out: String, from weights: String = "random")
    -> [String]
  {
    ["detect", "--init", weights, "--train", set.spec, "--test", set.test, "--out", out] + Self.recipe
      + Self.sizes + more
  }

  /// Runs to a good end.
  private func run(_ arguments: [String]) throws -> Program.Result {
    let result = try Program.run(arguments)
    try #require(result.code == 0, "\(result.errors)")
    return result
  }

  /// A line for each test of a run's log.
  private func tests(_ out: String) -> [RunEvent.Detection] {
    RunLog.read(out + "/log.jsonl").compactMap { if case .detection(let test) = $0 { test } else { nil } }
  }

  private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  // MARK: - A run of VOC

  @Test func aRunOfVOCIsTrainedTestedEvaluatedAndShown() throws {
    let set = try RectangleSet(.voc, images: 4)
    let (out, other) = ("\(folder)/voc", "\(folder)/other")
    let options = ["--steps", "4", "--metric", "voc07"]
    let result = try run(command(set, options, out: out))
    #expect(result.output.isEmpty)
    for line in [
      "training  4 images, 2 classes, 8 objects, VOC", "test      4 images, 2 classes, 8 objects, VOC",
      "detector  c4 with resnet18, boxes; batch normalisation plain",
      "steps     4 of 2 images on cpu, 2.0 epochs; rate 0.005, × 0.1 at 3", "run       \(out)",
      "start     all weights are drawn at random", "Done. The detections: \(out)/results.json",
    ] {
      #expect(result.errors.components(separatedBy: "\n").contains(line), "\(line): \(result.errors)")
    }
    #expect(result.errors.contains("\nstep 4/4  loss "))
    #expect(result.errors.contains("\nstep 4  test on 4 images by the rules of voc07, "))
    #expect(result.errors.contains("\n  bbox        AP       AP50     AP75"))
    let folders = try names(in: out)
    #expect(
      Set(folders).isSuperset(of: ["checkpoints", "config.yaml", "log.jsonl", "results.json"])
        && folders.contains { $0.hasPrefix("events.out.tfevents.") } && !folders.contains("weights.txt"))
    let test = try #require(tests(out).last)

    // The run is tested again, from its folder and elsewhere.
    let results = try bytes(at: out + "/results.json")
    let again = try run([
      "detect", "--eval-only", out, "--test", set.test, "--out", other, "--device", "cpu",
      "--workers", "1",
    ])
    #expect(again.output.hasPrefix("bbox        AP       AP50     AP75"))
    #expect(again.output.hasSuffix("\(test.detections) detections in 4 images: \(other)/results.json\n"))
    for line in test.scores.flatMap({ $0.table() }) { #expect(again.output.contains("\(line)\n")) }
    #expect(try bytes(at: other + "/results.json") == results)

    // `moco evaluate` finds the numbers of the run's own test.
    let measured = try run([
      "evaluate", set.test, out + "/results.json", "--metric", "voc07", "--as", "detectron2", "--json",
    ])
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [String: Any])
    let numbers = try #require(json["numbers"] as? [[String: Any]])
    #expect(numbers.map { $0["name"] as? String } == ["AP", "AP50", "AP75"])
    for (number, value) in zip(numbers, test.scores[0].values) {
      // Percent of the same sum: the last bit may differ.
      let share = try #require(number["value"] as? Double)
      #expect(abs(100 * share - (value.percent ?? -1)) < 1e-9, "\(value)")
    }

    try theSameCommandHasNothingLeftToDo(command(set, options, out: out), out)
    try thePageHasItsSections(out, ["AP by class", "Sum of the losses"])
  }

  private func theSameCommandHasNothingLeftToDo(_ arguments: [String], _ out: String) throws {
    let before = try bytes(at: out + "/checkpoints/step-4/model.safetensors")
    let again = try run(arguments)
    #expect(
      again.errors.contains("resumed   after step 4\n")
        && again.errors.contains("Nothing is left to do: the run has made 4 steps, and --steps is 4.\n"))
    #expect(try bytes(at: out + "/checkpoints/step-4/model.safetensors") == before)
    let refused = try Program.run(arguments + ["--lr", "0.5"])
    #expect(
      refused.code == 2
        && refused.errors.hasSuffix(
          "moco: --out \(out): the folder holds another run (lr is 0.005 there and 0.5 here). Choose another folder, or "
            + "repeat that run's options to continue it. With other options it goes on in a new folder: --resume \(out) "
            + "--out NEW.\n"),
      "\(refused.errors)")
  }

  private func thePageHasItsSections(_ out: String, _ more: [String]) throws {
    let result = try run(["report", out])
    #expect(result.output == "page: \(out)/report.html\n" && result.errors.isEmpty, "\(result.errors)")
    let page = try text(out + "/report.html")
    let titles = ["The worst misses", "Scores", "Learning", "Configuration"]
    let places = titles.compactMap { page.range(of: "<h2>\($0)")?.lowerBound }
    #expect(places.count == titles.count && places == places.sorted())
    for part in ["<!doctype html>", "detection run", "The run is finished.", "Precision over recall, boxes"]
      + more
    {
      #expect(page.contains(part), "\(part)")
    }
    let svg = try Program.run("report", out, "--svg", out + "/curves.svg")
    #expect(
      svg.code == 2
        && svg.errors
          == "moco: --svg: a detector's curves are in its page only. Leave --svg out.\n"
    )
  }

  // MARK: - A run of COCO with masks

  @Test func aRunOfCOCOWithMasksGoesToDetectron2AndBack() throws {
    let set = try RectangleSet(images: 4)
    let (out, again) = ("\(folder)/coco", "\(folder)/again")
    let masks = ["--masks", "--mask-channels", "8"]
    let result = try run(command(set, masks + ["--steps", "3"], out: out))
    #expect(result.errors.contains("detector  c4 with resnet18, boxes, masks; batch normalisation plain\n"))
    #expect(result.errors.contains("masks 0."))
    #expect(
      result.errors.contains(
        "warning: --decay-at 3: the run has 3 steps, so the learning rate does not fall at 3.\n"))
    #expect(tests(out).last?.scores.map(\.kind) == [.bbox, .segm])

    // Both kinds of file hold the run's tensors, bit for bit.
    let trained = try Checkpoint.load(out, optimizer: false).model
    for name in ["d.pkl", "d.pth"] {
      let file = "\(folder)/\(name)"
      let exported = try run(["export", out, "--format", "detectron2", "--out", file])
      #expect(
        exported.output
          == "\(trained.count) tensors of the detector written: \(file)\nIn a configuration of detectron2: MODEL.WEIGHTS "
          + "\(file)\n")
      let read = try #require(try Detectron2Checkpoint(WeightsFile(file))).tensors(
        for: trained.keys.sorted())
      #expect(Set(read.keys) == Set(trained.keys))
      for (name, tensor) in trained {
        let other = try #require(read[name])
        #expect(
          other.shape == tensor.shape
            && other.to(tensor.dtype).withUnsafeBytes { Array($0) } == tensor.withUnsafeBytes { Array($0) },
          "\(name)")
      }
    }
    let wrong = try Program.run("export", out, "--format", "detectron2", "--out", "\(folder)/d.bin")
    #expect(
      wrong.code == 2
        && wrong.errors
          == "moco: --out \(folder)/d.bin: detectron2 takes a file that ends in .pkl or .pth of a detector.\n"
    )

    // A run that starts from the file has every tensor of it, and lists their origins.
    let file = "\(folder)/d.pkl"
    let started = try run(command(set, masks + ["--steps", "1"], out: again, from: file))
    #expect(
      started.errors.contains(
        "start     \(trained.count) of the detector's \(trained.count) tensors matched in \(file), "),
      "\(started.errors)")
    let lines = try text(again + "/weights.txt").split(separator: "\n").map(String.init)
    #expect(Set(lines) == Set(trained.keys.map { "\($0) = \($0)" }) && lines.count == trained.count)
    try aBrowserShowsTheRectangles(out)
  }

  /// Screenshots stay here; git ignores the folder.
  private static let artifacts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: ".build/artifacts-report").path

  /// Pictures are parts of drawings, which a page does not count among its images: their colours must be seen.
  private func aBrowserShowsTheRectangles(_ out: String) throws {
    try thePageHasItsSections(out, ["AP by size", "Masks"])
    guard let browser = Browser.found else { return }
    try FileManager.default.createDirectory(atPath: Self.artifacts, withIntermediateDirectories: true)
    for width in [1200, 390] {
      let look = try browser.look(at: out + "/report.html", width: width)
      #expect(look.console == [] && look.broken == [] && look.fetched == [])
      #expect(look.width == width && look.content <= width, "\(look.content) pixels in a window of \(width)")
      for dark in [false, true] {
        let picture = "\(Self.artifacts)/detection-\(width)-\(dark ? "dark" : "light").png"
        try browser.photograph(
          out + "/report.html", width: width, height: look.height, dark: dark, to: picture)
        let seen = try ImageDecoder().decode(contentsOf: picture)
        let ground = seen[2, 2]
        #expect(dark ? ground.red < 60 : ground.red > 200, "the ground of \(picture) is \(ground)")
        let (red, blue) = rectangles(in: seen)
        // Four images twice, each with a rectangle of 14 × 16 of 48 × 64 pixels or more, which no window shows smaller.
        #expect(red > 8 * 14 * 16 && blue > 8 * 14 * 16, "\(picture): \(red) red and \(blue) blue pixels")
      }
    }
    print("Screenshots of the detection page: \(Self.artifacts)")
  }

  /// Pixels of the two colours, which compression changes a little.
  private func rectangles(in image: RGBImage) -> (red: Int, blue: Int) {
    var (red, blue) = (0, 0)
    for place in stride(from: 0, to: image.pixels.count, by: 3) {
      let (r, g, b) = (image.pixels[place], image.pixels[place + 1], image.pixels[place + 2])
      if r > 190, g < 80, b < 80 { red += 1 }
      if b > 190, g < 80, r < 80 { blue += 1 }
    }
    return (red, blue)
  }

  // MARK: - Killed

  @Test func aRunThatIsKilledEndsInTheBytesOfAnUnbrokenOne() throws {
    let set = try RectangleSet(.voc, images: 4)
    let options = ["--steps", "6", "--save-every", "2", "--keep", "9"]
    let (whole, killed) = ("\(folder)/whole", "\(folder)/killed")
    _ = try run(command(set, options, out: whole))
    for step in [1, 4] {
      let process = try Program.start(command(set, options, out: killed))
      while process.isRunning, lastStep(killed) < step { usleep(2_000) }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      #expect(process.terminationReason == .uncaughtSignal && lastStep(killed) >= step)
    }
    _ = try run(command(set, options, out: killed))
    for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
      let place = "/checkpoints/step-6/\(file)"
      #expect(try bytes(at: whole + place) == bytes(at: killed + place), "\(file)")
    }
    #expect(try bytes(at: whole + "/results.json") == bytes(at: killed + "/results.json"))
    #expect(tests(whole).map(\.scores) == tests(killed).map(\.scores) && tests(killed).map(\.step) == [6])
  }

  private func lastStep(_ out: String) -> Int {
    RunLog.read(out + "/log.jsonl").reduce(0) { if case .losses(let step) = $1 { step.step } else { $0 } }
  }

  // MARK: - Options

  @Test func theConfigurationIsPrintedAndReadAgain() throws {
    let printed = try run([
      "detect", "--recipe", "small-c4", "--steps", "7", "--short-sides", "64,96", "--print-config",
    ])
    #expect(printed.errors.isEmpty)
    for line in [
      "detector: c4", "arch: resnet18", "steps: 7", "short-sides: [64, 96]", "decay-at: [180, 220]",
    ] {
      #expect(printed.output.components(separatedBy: "\n").contains(line), "\(printed.output)")
    }
    let file = "\(folder)/own.yaml"
    try printed.output.write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try run(["detect", "--recipe", file, "--print-config"]).output == printed.output)
  }

  @Test func wrongUseIsOneLine() throws {
    let set = try RectangleSet(.voc, images: 2)
    let small = ["detect", "--recipe", "small-c4"]
    let sets = ["--train", set.spec, "--test", set.test]
    let out = ["--out", "\(folder)/x"]
    let root = String(set.spec.dropLast(":train".count))
    let cases: [([String], Int32, String)] = [
      (small, 2, "--train is missing: the annotated images to learn from."),
      (small + ["--train", set.spec], 2, "--test is missing: the annotated images to be tested on."),
      (small + sets, 2, "--out is missing: the folder for the run's log and checkpoints."),
      (
        small + sets + out, 2,
        "CHECKPOINT is missing: the weights to start from. Give a run or a file of weights, or --init random."
      ),
      (
        small + sets + out + ["x.pth", "--init", "random"], 2,
        "CHECKPOINT x.pth and --init contradict each other: give one of them."
      ),
      (
        small + out + ["--init", "random", "--train", root + ":trainx", "--test", set.test], 1,
        "\(root) has no split `trainx`; it has test, train. Did you mean `train`?"
      ),
      (
        small + sets + out + ["--init", "random", "--masks"], 1,
        "\(set.spec) has no masks, as VOC's annotations of objects are boxes; train without masks"
      ),
      (
        small + ["--fpn-channels", "3", "--print-config"], 2,
        "--fpn-channels 3: only --detector fpn has a pyramid. Leave it out."
      ),
      (
        small + ["--short-sides", "0", "--print-config"], 2, "--short-sides 0: one or more of 1 to 16,384."
      ),
      (
        small + ["--lr", "0.1", "--scale-lr", "--print-config"], 2,
        "--lr and --scale-lr contradict each other: give one of them."
      ),
      (
        small + ["--roi-bach", "3"], 2,
        "Unknown option '--roi-bach'. Did you mean `--roi-batch`? `moco detect --help` shows what there is."
      ),
      (["detect", "--eval-only", "--test", set.test], 2, "--out is missing: the folder for results.json."),
      (
        ["detect", "--eval-only", "--test", set.test, "--out", "none"], 2,
        "there is no checkpoint at none. Check the path, or train one first: moco detect CHECKPOINT --recipe NAME --train "
          + "DATA --test DATA --out none"
      ),
      (
        ["detect", "--resume", "nowhere"] + sets + out, 2,
        "there is no checkpoint at nowhere. Check the path, or train one first: moco detect CHECKPOINT --recipe NAME --train "
          + "DATA --test DATA --out nowhere"
      ),
      (
        ["detect", "--eval-only"] + sets + out, 2,
        "--train goes not with --eval-only, which does not learn. Leave it out."
      ),
    ]
    for (arguments, code, message) in cases {
      let result = try Program.run(arguments)
      #expect(
        result.code == code && result.output.isEmpty && result.errors == "moco: \(message)\n",
        "\(arguments): \(result)")
    }
    #expect(try names(in: folder).isEmpty, "nothing is made")
  }
}
