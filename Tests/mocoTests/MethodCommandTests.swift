import Foundation
import Methods
import TestSupport
import Testing
import Training

/// Every method from the command line, on a folder of images: trains, goes on after a kill to the same bytes, exports.
@Suite(.serialized) struct MethodCommandTests {
  /// A recipe, and what is said besides.
  struct Choice: Sendable, CustomTestStringConvertible {
    let recipe: String
    var more: [String] = []
    /// Whether two views are compared.
    var hasFeatures = true
    var testDescription: String { ([recipe] + more).joined(separator: " ") }
  }

  /// They need a transformer; a ResNet is chosen otherwise.
  private static let masked = [
    "--arch", "vit_mini", "--decoder-dim", "24", "--decoder-depth", "1", "--decoder-heads", "3",
    "--warmup-epochs", "0",
  ]

  static let choices =
    [
      "cifar", "v3-resnet50", "densecl", "simclr", "byol", "simsiam", "barlow-twins", "instdisc", "cpc",
      "rotation", "jigsaw", "relative-position", "colorization", "exemplar", "multi-task",
    ]
    .map { Choice(recipe: $0) } + [
      Choice(recipe: "mae", more: masked, hasFeatures: false), Choice(recipe: "moco-mae", more: masked),
      Choice(recipe: "cifar", more: ["--mechanism", "end-to-end", "--bn-splits", "2"]),
      Choice(recipe: "cifar", more: ["--mechanism", "memory-bank", "--bank", "cpu"]),
      Choice(recipe: "instdisc", more: ["--moco-k", "40"]),  // the softmax over all images
      Choice(
        recipe: "local-agg",
        more: ["--instdisc-epochs", "2", "--clusterings", "3", "--noise-partition", "constant"]),
      Choice(recipe: "multi-task", more: ["--relative-position-weight", "0", "--no-harmonize"]),
    ]

  @Test(arguments: choices)
  func trainsContinuesBitForBitAndExports(choice: Choice) throws {
    let data = try makeImageFolder(images: 40)
    let (out, unbroken) = (temporaryFolder() + "/run", temporaryFolder() + "/run")
    let config = try KeyArguments(choice.more).applied(to: RunConfig.recipe(choice.recipe))
    let sizes = [("bn-splits", "1"), ("moco-k", "12"), ("moco-dim", "16"), ("moco-mlp-dim", "24")]
      .filter { name, _ in RunConfig.key(name).map { config.uselessness(of: $0) == nil } ?? false }
    let options =
      ["--recipe", choice.recipe] + sizes.flatMap { ["--\($0)", $1] } + [
        "--image-size", "16", "--batch-size", "8", "--device", "cpu",
        "--workers", "1", "--log-every", "1", "--save-every", "2", "--epochs", "12", "--steps", "30",
        "--schedule", "cosine",
        "--lr", "0.01",
      ] + (choice.more.contains("--arch") ? [] : ["--arch", "resnet8"]) + choice.more
    let whole = try Program.run(["pretrain", data, "--out", unbroken] + options)
    #expect(whole.code == 0, "\(whole.errors)")
    let log = try String(contentsOfFile: unbroken + "/log.jsonl", encoding: .utf8)
    #expect(log.components(separatedBy: #""event":"step""#).count == 31)
    #expect(log.contains(#""uniformity""#) == choice.hasFeatures)

    let process = try Program.start(["pretrain", data, "--out", out] + options)
    while process.isRunning, loggedSteps(out) < 5 { usleep(1_000) }
    try #require(process.isRunning, "the run came to its end before it was killed")
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    let rest = try Program.run(["pretrain", data, "--out", out] + options)
    #expect(rest.code == 0 && rest.errors.contains("resumed   after step"), "\(rest.errors)")
    for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
      let ours = try Data(contentsOf: URL(fileURLWithPath: "\(out)/checkpoints/step-30/\(file)"))
      let theirs = try Data(contentsOf: URL(fileURLWithPath: "\(unbroken)/checkpoints/step-30/\(file)"))
      #expect(ours.count > 100 && ours == theirs, "\(file) differs")
    }

    let format = config.arch.isTransformer ? "timm" : "torchvision"
    let export = try Program.run("export", out, "--format", format, "--out", out + "/encoder.pth")
    #expect(export.code == 0, "\(export.errors)")
    let features = try Program.run(
      "features", out, data, "--out", out + "/features.csv", "--device", "cpu", "--workers", "1")
    #expect(features.code == 0, "\(features.errors)")
    let report = try Program.run("report", out)
    #expect(report.code == 0, "\(report.errors)")
  }

  private func loggedSteps(_ run: String) -> Int {
    let log = (try? String(contentsOfFile: run + "/log.jsonl", encoding: .utf8)) ?? ""
    return log.components(separatedBy: #""event":"step""#).count - 1
  }

  @Test func whatAMethodCannotDoIsSaidInOneLine() throws {
    let data = try makeImageFolder(images: 10)
    let cases: [([String], String)] = [
      (
        ["--recipe", "simclr", "--mechanism", "end-to-end"],
        "moco: --mechanism end-to-end: only --method moco has a choice of mechanisms; leave it at queue.\n"
      ),
      (
        ["--recipe", "cifar", "--mechanism", "memory-bank", "--symmetric"],
        "moco: --symmetric: only --method moco with --mechanism queue has a choice of directions. Leave it out, or give "
          + "--no-symmetric if the recipe sets it.\n"
      ),
      (
        ["--recipe", "jigsaw", "--arch", "vit_small"],
        "moco: --method jigsaw: it looks at parts of an image, which vit_small cannot. Choose a ResNet.\n"
      ),
      (
        ["--recipe", "cpc", "--image-size", "12"],
        "moco: --image-size 12: --method cpc cuts images of at least 16 pixels.\n"
      ),
      (
        ["--recipe", "colorization", "--arch", "vit_small"],
        "moco: --method colorization: it looks at parts of an image, which vit_small cannot. Choose a ResNet.\n"
      ),
      (
        [
          "--recipe", "multi-task", "--relative-position-weight", "0", "--colorization-weight", "0",
          "--exemplar-weight", "0",
        ],
        "moco: --method multi-task: all its tasks are left out. Give --relative-position-weight, "
          + "--colorization-weight or --exemplar-weight above 0.\n"
      ),
      (
        ["--recipe", "mae", "--epochs", "10"],
        "moco: --warmup-epochs 40.0 (the recipe's unless given): a warm-up is shorter than the run, and --epochs is 10. "
          + "Give --warmup-epochs 0, or fewer than 10.\n"
      ),
      (
        ["--recipe", "moco-mae", "--contrast-weight", "inf"],
        "moco: --contrast-weight inf: a weight is a finite number from 0 on.\n"
      ),
      (
        ["--recipe", "byol", "--bn-splits", "4"],
        "moco: --bn-splits 4: byol does not shuffle; leave it at 1, or use --sync-bn over several ranks.\n"
      ),
    ]
    for (options, message) in cases {
      let result = try Program.run(["pretrain", data, "--out", temporaryFolder() + "/run"] + options)
      #expect(result.code == 2 && result.errors == message, "\(options): \(result.code) \(result.errors)")
    }
  }
}
