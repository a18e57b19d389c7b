import Foundation
import Images
import TestSupport
import Testing
import Torch

/// `moco finetune` as a user runs it.
@Suite(.serialized) struct FineTuneCommandTests {
  private let train = temporaryFolder() + "/train"
  private let test = temporaryFolder() + "/test"
  private let run = temporaryFolder() + "/run"

  init() throws {
    try makeStripes(images: 80, seed: 1, in: train)
    try makeStripes(images: 40, seed: 2, in: test)
    let made = try Program.run(
      "pretrain", train, "--out", run, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16",
      "--batch-size", "8", "--bn-splits", "2", "--moco-k", "12", "--device", "cpu", "--workers", "1",
      "--epochs", "1")
    try #require(made.code == 0, "\(made.errors)")
  }

  private var sets: [String] { ["--train", train, "--test", test] }

  @Test func halfOfTheLabelsTeachMoreThanChance() throws {
    let (matrix, out) = (run + "/confusion.csv", run + "/tuned.safetensors")
    let arguments =
      ["finetune", run] + sets + [
        "--labels", "50%", "--epochs", "12", "--batch-size", "8", "--from-scratch",
      ]
    let result = try Program.run(arguments + ["--confusion", matrix, "--out", out, "--json"])
    try #require(result.code == 0, "\(result.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    #expect(report["train_images"] as? Int == 40 && report["available_images"] as? Int == 80)
    #expect(report["test_images"] as? Int == 40 && report["labels"] as? String == "50%")
    #expect(report["scaled_lr"] as? Double == 0.1 * 8 / 256)
    for name in ["fine_tuned", "from_scratch"] {
      let trial = try #require(report[name] as? [String: Any])
      let epochs = try #require(trial["epochs"] as? [[String: Any]])
      #expect(epochs.map { $0["epoch"] as? Int } == [5, 10, 12])
      // Half by chance; of 40 guesses three quarters are right once in 900 times. Here all are.
      let last = try #require(trial["last"] as? [String: Any])
      #expect(try #require(last["top1"] as? Double) >= 75, "\(name): \(last)")
    }
    let confusion = try #require(report["confusion"] as? [[Int]])
    #expect(confusion.count == 2 && confusion.allSatisfy { $0.reduce(0, +) == 20 })
    #expect(try String(contentsOfFile: matrix, encoding: .utf8).hasPrefix("class,class0,class1\nclass0,"))

    let exported = try Program.run("export", out, "--format", "torchvision", "--out", run + "/tuned.pth")
    #expect(
      exported.code == 0 && exported.output.contains(" tensors of the query encoder written: "),
      "\(exported.errors)")
    let imported = try Program.run(
      "import", run + "/tuned.pth", "--out", run + "/again.safetensors", "--json")
    #expect(imported.output.contains("\"head\":\"classifier\""), "\(imported.output) \(imported.errors)")
  }

  @Test func aRecipeIsPrintedAndTakenWithOtherNumbers() throws {
    let printed = try Program.run("finetune", "--recipe", "deit", "--print-config", "--layer-decay", "0.65")
    try #require(printed.code == 0, "\(printed.errors)")
    #expect(
      printed.output.contains("layer-decay: 0.65\n") && printed.output.contains("mixup: 0.8\n"),
      "\(printed.output)")
    let file = run + "/mine.yaml"
    try printed.output.write(toFile: file, atomically: true, encoding: .utf8)
    let arguments =
      ["finetune", run] + sets + [
        "--recipe", file, "--epochs", "2", "--batch-size", "8", "--lr", "0.03", "--test-every", "1", "--json",
      ]
    let first = try Program.run(arguments)
    try #require(first.code == 0, "\(first.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(first.output.utf8)) as? [String: Any])
    #expect(report["recipe"] as? String == file && report["epochs"] as? Int == 2)
    let settings = try #require(report["settings"] as? [String: String])
    #expect(settings["layer-decay"] == "0.65" && settings["optimizer"] == "adamw")
    #expect(settings["rand-augment"] == "rand-m9-mstd0.5-inc1" && settings["lr"] == "0.03")
    #expect(report["scaled_lr"] as? Double == 0.03 * 8 / 256 && report["train_images"] as? Int == 80)
    // Twice into a folder: the second time nothing is left to do but the test.
    for _ in 0..<2 {
      let again = try Program.run(arguments + ["--checkpoints", run + "/kept"])
      #expect(again.output == first.output, "the same command gives the same numbers: \(again.errors)")
    }
  }

  @Test func withoutACheckpointOrDataTheMissingOneIsNamed() throws {
    let cases: [([String], String)] = [
      ([], "CHECKPOINT is missing: a run folder, a checkpoint folder or a .safetensors file."),
      ([run, "--test", test], "--train is missing: the labelled images to learn from."),
      ([run, "--train", train], "--test is missing: the labelled images to be tested on."),
      (
        ["random"] + sets,
        "CHECKPOINT random: there is no checkpoint of that name, and drawn weights are none. Give a trained encoder: beside it "
          + "`knn --baselines` and `finetune --from-scratch` measure drawn weights."
      ),
      (
        ["nope.pth"] + sets,
        "there is no checkpoint at nope.pth. Check the path. Weights from elsewhere, such as a .pth, need `moco import` first."
      ),
    ]
    for command in ["finetune", "linear"] {
      for (arguments, message) in cases {
        let result = try Program.run([command] + arguments)
        #expect(result.code == 2 && result.errors.hasSuffix("moco: \(message)\n"), "\(result.errors)")
      }
    }
  }

  @Test func theResultIsToldClassByClass() throws {
    let list = run + "/labels.txt"
    try (0..<6).map { String(format: "class%d/%03d.png\n", $0 % 2, $0) }.joined()
      .write(toFile: list, atomically: true, encoding: .utf8)
    let result = try Program.run(["finetune", run] + sets + ["--labels", list, "--epochs", "1"])
    try #require(result.code == 0, "\(result.errors)")
    #expect(
      result.errors.contains(
        "6 of 80 training images show their label; batch of 6, learning rates 0.00234375 and 0.0234375\n"),
      "\(result.errors)")
    #expect(result.errors.contains("fine-tuned  epoch 1/1  loss 0."), "\(result.errors)")
    #expect(
      result.output.hasPrefix(
        "fine-tuning on \(list), 1 epoch, 6 of 80 training images, of 2 classes, and 40 test images of 2\nfine-tuned    best "
      ),
      "\(result.output)")
    // All of two classes are among the best five.
    #expect(!result.output.contains("top-5"), "\(result.output)")
    for part in ["class0", "class1", "mostly taken for"] {
      #expect(result.output.contains(part), "\(result.output)")
    }
  }

  // MARK: - Signals

  private func stop(
    _ arguments: [String], by signal: Int32, when isReady: () -> Bool = { true }
  ) throws -> (code: Int32, errors: String) {
    let errors = Pipe()
    let process = try Program.start(arguments, errors: errors)
    // Signals are watched before the images are opened.
    var text = ""
    while process.isRunning, !text.contains("show their label") {
      text += String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
    }
    while process.isRunning, !isReady() { usleep(2_000) }
    kill(process.processIdentifier, signal)
    text += String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    return (process.terminationStatus, text)
  }

  @Test func aSignalEndsItWithALineOfWhatIsKept() throws {
    let command =
      ["finetune", run] + sets + ["--epochs", "100000", "--batch-size", "8", "--test-every", "100000"]
    let lost = try stop(command, by: SIGTERM)
    #expect(lost.code == 143, "\(lost.errors)")
    let end = try #require(lost.errors.split(separator: "\n").last)
    #expect(
      end.hasPrefix("fine-tuned  stopped by a signal in epoch ")
        && end.hasSuffix(
          ". Nothing is kept. With --checkpoints FOLDER the same command goes on after the last whole epoch."),
      "\(end)")

    let folder = run + "/kept/fine-tuned"
    let latest = { try? String(contentsOfFile: folder + "/latest", encoding: .utf8) }
    var before = 0
    for (signal, code) in [(SIGINT, Int32(130)), (SIGTERM, 143)] {
      let old = latest()
      let stopped = try stop(command + ["--checkpoints", run + "/kept"], by: signal) { latest() != old }
      #expect(stopped.code == code, "\(stopped.errors)")
      let end = try #require(stopped.errors.split(separator: "\n").last)
      let form =
        /fine-tuned  stopped by a signal in epoch (\d+)\. (.+) has its state after epoch (\d+); .+ goes on from there\./
      let found = try #require(try form.wholeMatch(in: String(end)), "\(end)")
      let (epoch, kept) = (Int(found.1) ?? 0, Int(found.3) ?? 0)
      // Ten steps an epoch.
      #expect(found.2 == folder && kept > before && epoch == kept + 1)
      #expect(latest() == "step-\(10 * kept)\n")
      before = kept
    }
    // Other options are named.
    let other = try Program.run(command + ["--checkpoints", run + "/kept", "--lr", "0.2"])
    #expect(
      other.code == 2
        && other.errors.hasSuffix(
          "moco: --checkpoints \(folder): the folder belongs to another run (lr is 0.1 there and 0.2 here). Choose another "
            + "folder, or repeat that run's command to continue it.\n"),
      "\(other.errors)")
  }

  @Test func wrongUseExitsWith2AndOneLine() throws {
    let cases: [([String], String)] = [
      (["--lr", "0"], "--lr 0.0: a learning rate must be positive and finite."),
      (["--lr-classifier", "-1"], "--lr-classifier -1.0: a learning rate must be positive and finite."),
      (["--batch-size", "1"], "--batch-size 1: 2 to 1,000,000 images."),
      (["--momentum", "1"], "--momentum 1.0: the optimizer's momentum lies in [0, 1)."),
      (["--test-every", "0"], "--test-every 0: at least 1 epoch."),
      (["--epochs", "0"], "--epochs 0: 1 to 1,000,000."),
      (
        ["--out", "tuned.pth"],
        "--out tuned.pth: the checkpoint is a file; give it a name that ends in .safetensors."
      ),
      (
        ["--labels", "10%", "--batch-size", "64"],
        "--batch-size 64: only 8 images are learned from. Use a smaller batch, or more labels."
      ),
      (["--layer-decay", "2"], "--layer-decay 2.0: above 0 and at most 1."),
      (["--mix-prob", "0.5"], "--mix-prob 0.5: neither --mixup nor --cutmix is given. Leave it out."),
      (
        ["--recipe", "imagenette"],
        "--recipe imagenette: there is no such recipe. Did you mean `imagenet`? There are few-labels, imagenet, inaturalist, "
          + "deit, or the path of a .yaml file."
      ),
    ]
    for (arguments, message) in cases {
      let result = try Program.run(["finetune", run] + sets + arguments)
      #expect(result.code == 2 && result.errors.hasSuffix("moco: \(message)\n"), "\(result.errors)")
    }
  }

  @Test func aDivergedRunFailsAndSaysSo() throws {
    let out = run + "/diverged.safetensors"
    let result = try Program.run(
      ["finetune", run] + sets + ["--lr", "1e30", "--epochs", "2", "--batch-size", "8", "--out", out])
    #expect(
      result.code == 1
        && result.errors.hasSuffix(
          "moco: fine-tuning diverged in epoch 1: its loss or weights became infinite. Try a lower --lr or "
            + "--lr-classifier.\n"),
      "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: out))
  }
}

/// Class folders of upright and of lying stripes, with noise.
private func makeStripes(images: Int, seed: UInt64, in root: String) throws {
  let side = 20
  for number in 0..<images {
    let label = number % 2
    let folder = "\(root)/class\(label)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var random = CounterGenerator(seed: seed, .weights, number)
    let shift = random.index(below: 6)
    let pixels = (0..<side * side * 3).map { i -> UInt8 in
      let place = label == 0 ? i / 3 % side : i / 3 / side
      return UInt8(40 + 120 * ((place + shift) / 3 % 2) + random.index(below: 60))
    }
    try RGBImage(width: side, height: side, pixels: pixels).pngData()
      .write(to: URL(fileURLWithPath: String(format: "%@/%03d.png", folder, number)))
  }
}
