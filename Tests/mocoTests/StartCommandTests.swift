import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights

/// `moco pretrain --init` and `--resume RUN --out NEW` as a user types them. Serialized: each run wants the cores.
@Suite(.serialized) struct StartCommandTests {
  private let data: String
  private let folder = temporaryFolder()

  init() throws { data = try makeImageFolder(images: 40) }

  private let small = [
    "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16", "--batch-size", "8", "--bn-splits", "2",
    "--moco-k", "12", "--device", "cpu", "--workers", "1", "--log-every", "1",
  ]

  private func pretrain(_ out: String, _ options: [String]) throws -> Program.Result {
    try Program.run(["pretrain", data, "--out", "\(folder)/\(out)"] + options)
  }

  private func lines(_ result: Program.Result, _ label: String) -> [String] {
    result.errors.split(separator: "\n").filter { $0.hasPrefix(label) }.map { String($0.dropFirst(10)) }
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func weightsOfAnyFileBeginARun() throws {
    let file = "\(folder)/theirs.pth"
    let network = EncoderSpec(arch: .resnet8, head: .linear(outputs: 1000)).makeEncoder(
      using: Generator(seed: 1))
    try ExportFormat.torchvision.write(
      network.state.map { ("model.\($0.name)", $0.tensor.detached()) }, to: file)
    let result = try pretrain("a", small + ["--init", file, "--steps", "2"])
    #expect(result.code == 0, "\(result.errors)")
    #expect(
      lines(result, "start     ") == [
        "backbone: 54 tensors of a resnet8 from \(file), names beginning `model.`",
        "head: linear head of 128, fresh, because the file's is a classifier",
        "key encoder: a copy of the query encoder", "fresh: queue",
      ])
    let config = try String(contentsOfFile: "\(folder)/a/config.yaml", encoding: .utf8)
    #expect(config.contains("init: \(file)\n") && config.contains("init-digest: crc32:"), "\(config)")
    // The same command continues without the file.
    try FileManager.default.removeItem(atPath: file)
    let again = try pretrain("a", small + ["--init", file, "--steps", "3"])
    #expect(again.code == 0 && again.errors.contains("resumed   after step 2\n"), "\(again.errors)")
    let raised = try String(contentsOfFile: "\(folder)/a/config.yaml", encoding: .utf8)
    #expect(raised.contains("steps: 3\n"), "the file has the first value of --steps")
    let fewer = try pretrain("a", small + ["--init", file, "--steps", "2"])
    #expect(
      fewer.code == 0
        && fewer.errors.contains("Nothing is left to do: the run has made 3 steps, and --steps is 2.\n"),
      "\(fewer.errors)")
    let useless = try pretrain("b", small + ["--init-key", "file"])
    #expect(
      useless.code == 2
        && useless.errors
          == "moco: --init-key file: only a key encoder that follows, with --init, can have weights of its own. Leave it "
          + "out.\n"
    )
    let missing = try pretrain("b", small + ["--init", file])
    #expect(
      missing.code == 2
        && missing.errors == "moco: --init \(file): there is no such file or folder. Check the path.\n")
    #expect(try names() == ["a"])
  }

  @Test func aRunIsCarriedOnWithItsOwnOptions() throws {
    #expect(try pretrain("a", small + ["--steps", "7"]).code == 0)
    let command = [
      "--resume", "\(folder)/a", "--epochs", "3", "--lr", "0.01", "--device", "cpu", "--workers", "1",
    ]
    let both = try pretrain("b", command + ["--init", "\(folder)/a"])
    #expect(
      both.code == 2
        && both.errors
          == "moco: --init and --resume \(folder)/a contradict each other: a run that goes on has its weights. Give one of "
          + "them.\n"
    )
    let network = try pretrain("b", command + ["--arch", "resnet20"])
    #expect(
      network.code == 2 && network.errors.contains("a run keeps its method and its network"), "\(network)")
    #expect(try names() == ["a"])

    let stopped = try pretrain("b", command + ["--steps", "9"])
    #expect(stopped.code == 0, "\(stopped.errors)")
    #expect(
      lines(stopped, "start     ") == [
        "carried from \(folder)/a/checkpoints/step-7, step 7", "epochs 200 → 3", "lr 0.06 → 0.01",
      ])
    let again = try pretrain("b", command)
    #expect(again.code == 0 && again.errors.contains("resumed   after step 9\n"), "\(again.errors)")
    #expect(try Checkpoint.load("\(folder)/b").state?.step == 15)
    #expect(try Checkpoint.load("\(folder)/a").state?.step == 7)

    let same = try pretrain("a", small + ["--steps", "7", "--lr", "0.01"])
    #expect(
      same.code == 2
        && same.errors
          == "moco: --out \(folder)/a: the folder holds another run (lr is 0.06 there and 0.01 here). Choose another "
          + "folder, or repeat that run's options to continue it. With other options it goes on in a new folder: --resume "
          + "\(folder)/a --out NEW.\n"
    )
    let never = try pretrain("a", small + ["--resume", "never"])
    #expect(
      never.code == 2
        && never.errors
          == "moco: --out \(folder)/a: the folder holds a run already. Leave out --resume never to continue it, or choose "
          + "another.\n"
    )
  }

  @Test func weightsAloneAreNoRun() throws {
    #expect(try pretrain("a", small + ["--steps", "1"]).code == 0)
    let file = "\(folder)/w.safetensors"
    let trained = try TrainedEncoder("\(folder)/a")
    try trained.spec.write(trained.network, head: .projection, to: file)
    for options in [[], small] {
      let result = try pretrain("b", options + ["--resume", file])
      #expect(
        result.code == 2
          && result.errors
            == "moco: \(file): these are weights only; a run cannot go on from them. Start a new run from them: --init "
            + "\(file).\n",
        "\(result.errors)")
    }
    #expect(try names() == ["a", "w.safetensors"])
    let started = try pretrain("b", small + ["--init", file, "--steps", "1"])
    #expect(
      started.code == 0 && started.errors.contains("head: linear head of 128, from there too"), "\(started)")
  }
}
