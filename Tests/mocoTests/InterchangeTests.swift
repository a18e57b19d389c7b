import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights

/// `moco import` and `moco export` as their user meets them.
@Suite(.serialized) struct InterchangeTests {
  private let imageNet = "mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225"
  private let cifar =
    "images of 32 pixels, shorter side 37 unless they have the size, bilinear, mean 0.4914, 0.4822, 0.4465, "
    + "std 0.2023, 0.1994, 0.201"

  /// A checkpoint of a ResNet-8 with torchvision's names and whatever else.
  private func makeWeights(_ extra: [(name: String, tensor: Tensor)] = [], prefix: String = "") throws
    -> String
  {
    let path = "\(temporaryFolder())/weights.pth"
    let network = EncoderSpec(arch: .resnet8, head: .linear(outputs: 3)).makeEncoder(
      using: Generator(seed: 1))
    let tensors = network.state.map { (name: prefix + $0.name, tensor: $0.tensor.detached()) }
    try ExportFormat.torchvision.write(tensors + extra, to: path)
    return path
  }

  /// A ViT-S for images of 32 pixels, in and out again.
  @Test func aTransformerGoesRoundByTimmsNames() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let network = EncoderSpec(arch: .vitSmall, imageSize: 32, head: .linear(outputs: 3))
      .makeEncoder(using: Generator(seed: 1))
    network.train(false)
    let tensors = network.state.map { (name: "module.base_encoder.\($0.name)", tensor: $0.tensor.detached()) }
    try ExportFormat.timm.write(tensors, to: "\(folder)/vit.pth")
    let checkpoint = "\(folder)/vit.safetensors"
    let result = try Program.run("import", "\(folder)/vit.pth", "--out", checkpoint)
    #expect(result.code == 0 && result.errors == "", "\(result.errors)")
    #expect(
      result.output == """
        vit_small, patch stem, 12 heads, head: projection
        images of 32 pixels, shorter side 37 unless they have the size, bilinear, \(imageNet)
        152 tensors from \(folder)/vit.pth, names beginning `module.base_encoder.`, of moco-v3
        written: \(checkpoint)

        """)

    let encoder = try TrainedEncoder(checkpoint, on: .cpu)
    #expect(encoder.spec.arch == .vitSmall && encoder.spec.imageSize == 32)
    let x = Tensor.normal([2, 3, 32, 32], using: Generator(seed: 2))
    let (ours, theirs) = withNoGrad { (encoder.network.features(x), network.features(x)) }
    #expect(ours.array(of: Float.self) == theirs.array())

    let out = "\(folder)/out.pth"
    let exported = try Program.run("export", checkpoint, "--format", "timm", "--out", out)
    #expect(exported.code == 0, "\(exported.errors)")
    #expect(
      exported.output == """
        150 tensors of the query encoder written: \(out)
        The network sees images of 32 pixels, shorter side 37 unless they have the size, bilinear, \(imageNet).
        In Python, for images of N×3×32×32:
            import torch, timm
            model = timm.models.VisionTransformer(img_size=32, embed_dim=384, depth=12, num_heads=12, num_classes=0)
            model.load_state_dict(torch.load("\(out)"))
            features = model.eval()(images)

        """)
    let file = try WeightsFile(out)
    #expect(
      Set(file.entries.map(\.name))
        == Set(network.state.map(\.name)).subtracting(["head.weight", "head.bias"]))
    for entry in network.state where !entry.name.hasPrefix("head.") {
      let bytes = try file.tensor(entry.name).withUnsafeBytes(Array.init)
      #expect(bytes == entry.tensor.withUnsafeBytes(Array.init), "\(entry.name)")
    }
    let refused = try Program.run(
      "export", checkpoint, "--format", "detectron2", "--out", "\(folder)/out.pkl")
    #expect(refused.code == 1)
    #expect(
      refused.errors
        == "moco: \(checkpoint): a vision transformer goes out with timm's names only, not with detectron2's. "
        + "Export --format timm, safetensors, transformers or onnx.\n")
  }

  /// MoCo v3's projector is the head then, so that `--layer head` is what it contrasted; the predictor stays behind.
  @Test(arguments: [Architecture.resnet8, .vitSmall])
  func theProjectorOfMoCoV3ComesAlong(arch: Architecture) throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let head = Head.normalizedMLP(
      layers: arch.isTransformer ? 3 : 2, hidden: 24, outputs: 16, endsNormalized: true)
    let network = EncoderSpec(arch: arch, imageSize: 32, head: head).makeEncoder(using: Generator(seed: 1))
    _ = withNoGrad { network(.normal([8, 3, 32, 32], using: Generator(seed: 3))) }  // moves the statistics
    network.train(false)
    let tensors = network.state.map {
      (name: "state_dict.module.base_encoder.\($0.name)", tensor: $0.tensor.detached())
    }
    let predictor = [("state_dict.module.predictor.0.weight", Tensor.zeros([24, 16]))]
    let file = "\(folder)/v3.pth", checkpoint = "\(folder)/v3.safetensors"
    try ExportFormat.timm.write(tensors + predictor, to: file)
    let result = try Program.run("import", file, "--out", checkpoint, "--strict")
    #expect(result.code == 0, "\(result.errors)")
    let said = result.output.split(separator: "\n").map(String.init)
    #expect(
      said.first
        == "\(arch.rawValue), \(arch.isTransformer ? "patch stem, 12 heads" : "cifar stem"), head: projection"
    )
    #expect(said.contains("1 tensor of other parts left out") && !result.output.contains("no place for"))

    let encoder = try TrainedEncoder(checkpoint, on: .cpu)
    #expect(encoder.spec.head == head)
    let x = Tensor.normal([2, 3, 32, 32], using: Generator(seed: 2))
    let (ours, theirs) = withNoGrad { (encoder.network(x), network(x)) }
    #expect(ours.shape == [2, 16] && ours.array(of: Float.self) == theirs.array())
    let exported = try Program.run("export", checkpoint, "--format", "timm", "--out", "\(folder)/out.pth")
    #expect(exported.code == 0, "\(exported.errors)")
  }

  @Test func whatDidNotMatchIsReportedAndStrictRefusesIt() throws {
    let path = try makeWeights([("ema.decay", .zeros([1]))], prefix: "model.")
    let folder = (path as NSString).deletingLastPathComponent
    let good = try Program.run("import", path, "--out", "\(folder)/a.safetensors", "--strict")
    #expect(good.code == 0, "\(good.errors)")
    #expect(
      good.output == """
        resnet8, cifar stem, head: classifier
        \(cifar)
        56 tensors from \(path), names beginning `model.`
        1 tensor of other parts left out
        written: \(folder)/a.safetensors

        """)
    let other = try makeWeights([("queue", .zeros([1]))])
    let told = try Program.run("import", other, "--out", "\(folder)/b.safetensors")
    #expect(told.code == 0 && told.output.contains("no place for       queue\n"), "\(told.output)")
    let strict = try Program.run("import", other, "--out", "\(folder)/c.safetensors", "--strict")
    #expect(
      strict.errors
        == "moco: \(other): 1 tensor without a place: queue. Nothing was written. Without --strict this is only reported.\n"
    )
    #expect(strict.code == 1 && !FileManager.default.fileExists(atPath: "\(folder)/c.safetensors"))
  }

  @Test func wrongUseIsReported() throws {
    let path = try makeWeights()
    let name = try Program.run("import", path, "--out", "runs/x")
    #expect(name.code == 2)
    #expect(
      name.errors
        == "moco: --out runs/x: the checkpoint is a file; give it a name that ends in .safetensors.\n")
    let arch = try Program.run("import", path, "--out", "\(path).safetensors", "--arch", "resnet50")
    #expect(arch.code == 1)
    #expect(arch.errors == "moco: \(path): it holds a resnet8, not the resnet50 of --arch.\n")
    let key = try Program.run("import", path, "--out", "\(path).safetensors", "--encoder", "key")
    #expect(
      key.errors
        == "moco: \(path): it has no key encoder, only one without a prefix. Choose another --encoder.\n"
    )
    let folder = (path as NSString).deletingLastPathComponent
    for (file, reason, code) in [
      (folder + "/none", "there is no such file. Check the path.", 2),
      (folder, "it is a folder. Name a file.", 1),
    ] {
      let result = try Program.run("import", file, "--out", "\(path).safetensors")
      #expect(result.code == code && result.errors.hasSuffix("\(file): \(reason)\n"), "\(result.errors)")
    }
    let heads = try Program.run("import", path, "--out", "\(path).safetensors", "--heads", "6")
    #expect(
      heads.code == 2
        && heads.errors == "moco: --heads 6: resnet8 is no vision transformer and has no heads.\n",
      "\(heads.errors)")
  }

  /// timm's own has 6 heads, which cannot be read from the weights.
  @Test func aTransformersHeadsAreReportedAsAGuess() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let network = EncoderSpec(arch: .vitSmall, heads: 6, imageSize: 32, head: .linear(outputs: 3))
      .makeEncoder(using: Generator(seed: 1))
    network.train(false)
    let file = "\(folder)/vit.pth", checkpoint = "\(folder)/vit.safetensors"
    try ExportFormat.timm.write(network.state.map { ($0.name, $0.tensor.detached()) }, to: file)
    let guess =
      "vit_small is read with 12 heads, as MoCo v3's has: their number cannot be read from the weights, and timm's own "
      + "has 6."
    let guessed = try Program.run("import", file, "--out", checkpoint, "--json")
    #expect(guessed.code == 0 && guessed.output.contains("\"heads\":12"), "\(guessed.output)")
    #expect(
      guessed.errors == "warning: \(guess) If it has others, name them with --heads.\n", "\(guessed.errors)")
    let strict = try Program.run("import", file, "--out", checkpoint + "2", "--strict")
    #expect(strict.code == 2)
    let refused = try Program.run("import", file, "--out", "\(folder)/2.safetensors", "--strict")
    #expect(
      refused.code == 1
        && refused.errors == "moco: \(file): \(guess) Name them with --heads. Nothing was written.\n",
      "\(refused.errors)")
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/2.safetensors"))

    let told = try Program.run("import", file, "--out", checkpoint, "--strict", "--heads", "6", "--json")
    #expect(told.code == 0 && told.errors == "" && told.output.contains("\"heads\":6"), "\(told.errors)")
    let encoder = try TrainedEncoder(checkpoint, on: .cpu)
    let x = Tensor.normal([2, 3, 32, 32], using: Generator(seed: 2))
    let (ours, theirs) = withNoGrad { (encoder.network.features(x), network.features(x)) }
    #expect(ours.array(of: Float.self) == theirs.array())
    let exported = try Program.run("export", checkpoint, "--format", "timm", "--out", "\(folder)/out.pth")
    #expect(exported.output.contains("num_heads=6, "), "\(exported.output)")
  }

  /// A backbone alone is whole: features need no head.
  @Test func aBackboneWithoutAHeadIsStrictlyWhole() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let network = EncoderSpec(arch: .resnet8, head: .linear(outputs: 3)).makeEncoder(
      using: Generator(seed: 1))
    let backbone = network.state.filter { !$0.name.hasPrefix("fc.") }
    let file = "\(folder)/x.pth", checkpoint = "\(folder)/x.safetensors"
    try ExportFormat.timm.write(backbone.map { ($0.name, $0.tensor.detached()) }, to: file)
    let result = try Program.run("import", file, "--out", checkpoint, "--strict")
    #expect(
      result.code == 0
        && result.output == """
          resnet8, cifar stem, head: none
          \(cifar)
          \(backbone.count) tensors from \(file)
          written: \(checkpoint)

          """,
      "\(result.output)\(result.errors)")
    let checkpointFile = try Checkpoint.load(checkpoint)
    #expect(Set(checkpointFile.model.keys) == Set(backbone.map { "encoder_q.\($0.name)" }))
    #expect(Set(checkpointFile.metadata.keys) == ["encoder", "format", "head", "source"])
    let encoder = try TrainedEncoder(checkpoint)
    #expect(
      encoder.spec == EncoderSpec(arch: .resnet8, stem: .cifar, imageSize: 32, normalization: .cifar)
        && encoder.head == .missing && encoder.network.head == nil)
    let data = try makeImageFolder(images: 4)
    let head = try Program.run("knn", checkpoint, "--train", data, "--test", data, "--layer", "head")
    #expect(
      head.code == 2 && head.output == ""
        && head.errors
          == "moco: --layer head: \(checkpoint) was imported without a head. Measure pooled, which transfers, or "
          + "another layer.\n",
      "\(head.errors)")
    #expect(
      try Program.run("export", checkpoint, "--format", "safetensors", "--out", "\(folder)/y.safetensors")
        .code == 0)
    let ours = try Program.run("knn", "\(folder)/y.safetensors", "--train", data, "--test", data)
    #expect(ours.errors.hasSuffix("Run `moco import` on it first.\n"), "\(ours.errors)")
  }

  @Test func anImportedClassifierGoesOutAgainAndItsKeyEncoderDoesNot() throws {
    let path = try makeWeights()
    let checkpoint = "\(path).safetensors"
    #expect(try Program.run("import", path, "--out", checkpoint).code == 0)
    let out = "\(path).out.pth"
    let result = try Program.run("export", checkpoint, "--format", "timm", "--out", out)
    #expect(result.code == 0, "\(result.errors)")
    let (before, after) = (try WeightsFile(path), try WeightsFile(out))
    #expect(Set(after.entries.map(\.name)) == Set(before.entries.map(\.name)))
    for entry in before.entries {
      let bytes = try after.tensor(entry.name).withUnsafeBytes(Array.init)
      #expect(bytes == (try before.tensor(entry.name).withUnsafeBytes(Array.init)), "\(entry.name)")
    }
    let key = try Program.run("export", checkpoint, "--format", "timm", "--out", out, "--encoder", "key")
    #expect(key.code == 1)
    #expect(
      key.errors == "moco: \(checkpoint): it has no key encoder. `moco inspect` shows what it holds.\n")
  }

  @Test func inspectShowsTheNetworkOfAFileOfWeights() throws {
    let path = try makeWeights()
    let checkpoint = "\(path).safetensors"
    #expect(try Program.run("import", path, "--out", checkpoint).code == 0)
    let result = try Program.run("inspect", checkpoint)
    #expect(result.code == 0, "\(result.errors)")
    #expect(
      result.output == """
        checkpoint  \(checkpoint)
        integrity   a lone file has no checksums; its structure is sound
        encoder
          arch: resnet8
          stem: cifar
          stem-padding: 1
          image-size: 32
          resize: shorter side 37 unless they have the size, bilinear
          mean: 0.4914, 0.4822, 0.4465
          std: 0.2023, 0.1994, 0.201
          head: linear head of 3
        format      moco
        head        classifier
        source      weights.pth, *
        model       56 tensors, 78268 numbers

        """)
  }

  /// Such a file states the configuration of a run, and has a head of zeros where there was none.
  @Test func filesOfOlderVersionsAreRead() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let network = EncoderSpec(arch: .resnet8, stem: .cifar).makeEncoder(using: Generator(seed: 1))
    let tensors = network.state.map { (name: "encoder_q.\($0.name)", tensor: $0.tensor.detached()) }
    let head = [("encoder_q.fc.weight", Tensor.zeros([128, 64])), ("encoder_q.fc.bias", .zeros([128]))]
    let path = "\(folder)/old.safetensors"
    try Safetensors.write(
      tensors + head.map { (name: $0.0, tensor: $0.1) },
      metadata: [
        "config": #"{"arch":"resnet8","stem":"cifar","image-size":32,"views":"cifar","moco-dim":128}"#,
        "format": "moco", "head": "none", "source": "x.pth, *",
      ], to: path)
    let encoder = try TrainedEncoder(path)
    #expect(
      encoder.spec
        == EncoderSpec(
          arch: .resnet8, stem: .cifar, imageSize: 32, normalization: .cifar, head: .linear(outputs: 128)))
    #expect(encoder.head == .missing)
    let result = try Program.run("export", path, "--format", "torchvision", "--out", "\(folder)/x.pth")
    #expect(
      result.output == """
        54 tensors of the query encoder written: \(folder)/x.pth
        The network sees \(cifar).
        The stem is a 3×3 convolution with stride 1 and padding 1, without max-pooling.
        torchvision has no resnet8.

        """, "\(result.errors)")
  }
}
