import Backbones
import Checkpoints
import Foundation
import Testing
import Torch
import Training

/// `moco import` and `moco export` against PyTorch itself, skipped where there is none; see ``Python``.
@Suite(.serialized) struct InterchangeTests {
  private static let python = Python.importing("torch", "torchvision")

  /// Networks and a fixed input by a formula, their features by PyTorch, and its files.
  private static let makeScript = """
    import sys
    import torch
    import torchvision

    folder = sys.argv[1]
    def save(name, state, features, x, zipped):
        torch.save(state, f"{folder}/{name}.pth", _use_new_zipfile_serialization=zipped)
        features.numpy().astype("<f4").tofile(f"{folder}/{name}.features")
        x.numpy().astype("<f4").tofile(f"{folder}/{name}.input")

    def network(arch):
        torch.manual_seed(1)
        net = getattr(torchvision.models, arch)()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.data.uniform_(0.5, 1)
                module.bias.data.normal_(0, 0.1)
        return net.eval()

    for arch in sys.argv[2:]:
        net = network(arch)
        x = torch.randn(2, 3, 64, 64)
        state = net.state_dict()
        head = net.fc
        net.fc = torch.nn.Identity()
        with torch.no_grad():
            features = net(x)
        save(arch, state, features, x, True)
        moco = {"epoch": 200, "arch": arch, "state_dict": {}, "optimizer": {"state": {}, "param_groups": [{"lr": 0.03}]}}
        width = head.in_features
        for k, v in net.state_dict().items():
            moco["state_dict"]["module.encoder_q." + k] = v
            moco["state_dict"]["module.encoder_k." + k] = v * 2 if v.is_floating_point() else v
        for encoder in "qk":
            for name, shape in {"0.weight": (width, width), "0.bias": (width,), "2.weight": (128, width), "2.bias": (128,)}.items():
                moco["state_dict"][f"module.encoder_{encoder}.fc.{name}"] = torch.zeros(shape)
        moco["state_dict"]["module.queue"] = torch.randn(128, 16)
        moco["state_dict"]["module.queue_ptr"] = torch.zeros(1, dtype=torch.long)
        # The published checkpoints are of the old format.
        save("moco-" + arch, moco, features, x, False)
    """

  /// What the exported files give in PyTorch: features of torchvision's network, and detectron2's names.
  private static let readScript = #"""
    import pickle
    import re
    import sys
    import numpy
    import torch
    import torchvision

    arch, pth, pkl, x, out = sys.argv[1:]
    state = torch.load(pth, weights_only=True)
    net = getattr(torchvision.models, arch)()
    result = net.load_state_dict(state, strict=False)
    assert set(result.missing_keys) <= {"fc.weight", "fc.bias"} and not result.unexpected_keys, result
    net.fc = torch.nn.Identity()
    with torch.no_grad():
        features = net.eval()(torch.from_numpy(numpy.fromfile(x, "<f4")).reshape(2, 3, 64, 64))
    features.numpy().astype("<f4").tofile(out)

    with open(pkl, "rb") as file:
        exported = pickle.load(file, encoding="latin1")
    assert exported["matching_heuristics"] is True and exported["__author__"]
    def detectron2_name(k):
        k = re.sub(r"^layer(\d)", lambda m: f"res{int(m[1]) + 1}", k) if k.startswith("layer") else "stem." + k
        k = re.sub(r"bn(\d)", r"conv\1.norm", k)
        return re.sub(r"downsample\.([01])", lambda m: "shortcut" + (".norm" if m[1] == "1" else ""), k)
    wanted = {detectron2_name(k): v.numpy() for k, v in net.state_dict().items()}
    assert wanted.keys() == exported["model"].keys(), wanted.keys() ^ exported["model"].keys()
    for k, v in wanted.items():
        other = exported["model"][k]
        assert v.shape == other.shape and v.dtype == other.dtype and (v == other).all(), k

    # The names and shapes of detectron2's ResNet-50, written down without torchvision.
    if arch == "resnet50":
        convolutions = {"stem.conv1": (64, 3, 7, 7)}
        inputs = 64
        for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], start=2):
            for block in range(blocks):
                name = f"res{stage}.{block}"
                convolutions[f"{name}.conv1"] = (width, inputs, 1, 1)
                convolutions[f"{name}.conv2"] = (width, width, 3, 3)
                convolutions[f"{name}.conv3"] = (4 * width, width, 1, 1)
                if block == 0:
                    convolutions[f"{name}.shortcut"] = (4 * width, inputs, 1, 1)
                inputs = 4 * width
        published = {f"{name}.weight": shape for name, shape in convolutions.items()}
        for name, shape in convolutions.items():
            for part in ["weight", "bias", "running_mean", "running_var"]:
                published[f"{name}.norm.{part}"] = shape[:1]
            published[f"{name}.norm.num_batches_tracked"] = ()
        assert len(published) == 53 * 6
        assert {k: v.shape for k, v in exported["model"].items()} == published
    """#

  private func floats(_ path: String) throws -> [Float] {
    try Data(contentsOf: URL(filePath: path)).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  private func expectEqual(_ ours: [Float], _ theirs: [Float], _ what: String) {
    #expect(ours.count == theirs.count && !ours.isEmpty, "\(what)")
    // Features are of size 1; the same float32 sums in another order differ by about 1e-6.
    let worst = zip(ours, theirs).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst <= 1e-5, "\(what): \(worst)")
    print("\(what): largest difference of a feature \(worst)")
  }

  @Test(
    .enabled(if: python != nil, "no Python with torch and torchvision; set PYTHON to one"),
    arguments: ["resnet18", "resnet50"])
  func weightsGoRoundWithEqualFeatures(_ arch: String) throws {
    let python = try #require(Self.python)
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python.run(Self.makeScript, [folder, arch])
    for (name, head) in [(arch, "classifier"), ("moco-\(arch)", "projection")] {
      let checkpoint = "\(folder)/\(name).safetensors"
      let result = try Program.run("import", "\(folder)/\(name).pth", "--out", checkpoint)
      #expect(result.code == 0 && result.errors == "", "\(result.errors)")
      #expect(result.output.hasPrefix("\(arch), imagenet stem, head: \(head)\n"))
      let encoder = try TrainedEncoder(checkpoint, on: .cpu)
      let x = Tensor(try floats("\(folder)/\(name).input"), shape: [2, 3, 64, 64])
      let features = withNoGrad { encoder.network.features(x) }
      expectEqual(features.array(), try floats("\(folder)/\(name).features"), name)
    }
    let checkpoint = "\(folder)/moco-\(arch).safetensors"
    for (format, name) in [("torchvision", "out.pth"), ("detectron2", "out.pkl")] {
      let result = try Program.run("export", checkpoint, "--format", format, "--out", "\(folder)/\(name)")
      #expect(result.code == 0, "\(result.errors)")
    }
    try python.run(
      Self.readScript,
      [arch, "\(folder)/out.pth", "\(folder)/out.pkl", "\(folder)/\(arch).input", "\(folder)/back"])
    expectEqual(try floats("\(folder)/back"), try floats("\(folder)/\(arch).features"), "exported \(arch)")
    // Bit for bit, by way of detectron2 and back.
    let result = try Program.run(
      "import", "\(folder)/out.pkl", "--out", "\(folder)/again.safetensors", "--json")
    #expect(result.code == 0, "\(result.errors)")
    let (first, again) = (
      try Checkpoint.load(checkpoint).model, try Checkpoint.load("\(folder)/again.safetensors").model
    )
    for (name, tensor) in first where !name.contains(".fc.") {
      #expect(again[name]?.withUnsafeBytes(Array.init) == tensor.withUnsafeBytes(Array.init), "\(name)")
    }
  }

  // MARK: Without Python

  /// A checkpoint of a ResNet-8 with torchvision's names and whatever else.
  private func makeWeights(_ extra: [(name: String, tensor: Tensor)] = [], prefix: String = "") throws
    -> String
  {
    let path = "\(temporaryFolder())/weights.pth"
    let network = ResNet(.resnet8, head: .linear(outputs: 3), using: Generator(seed: 1))
    let tensors = network.state.map { (name: prefix + $0.name, tensor: $0.tensor.detached()) }
    try ExportFormat.torchvision.write(tensors + extra, to: path)
    return path
  }

  /// A ViT-S for images of 32 pixels, in and out again.
  @Test func aTransformerGoesRoundByTimmsNames() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let network = VisionTransformer(
      .vitSmall, imageSize: 32, head: .linear(outputs: 3), using: Generator(seed: 1))
    network.train(false)
    let tensors = network.state.map { (name: "module.base_encoder.\($0.name)", tensor: $0.tensor.detached()) }
    try ExportFormat.timm.write(tensors, to: "\(folder)/vit.pth")
    let checkpoint = "\(folder)/vit.safetensors"
    let result = try Program.run("import", "\(folder)/vit.pth", "--out", checkpoint)
    #expect(result.code == 0 && result.errors == "", "\(result.errors)")
    #expect(
      result.output == """
        vit_small, patch stem, 12 heads, head: projection
        152 tensors from \(folder)/vit.pth, names beginning `module.base_encoder.`
        written: \(checkpoint)

        """)

    let encoder = try TrainedEncoder(checkpoint, on: .cpu)
    #expect(encoder.config.arch == .vitSmall && encoder.config.imageSize == 32)
    let x = Tensor.normal([2, 3, 32, 32], using: Generator(seed: 2))
    let (ours, theirs) = withNoGrad { (encoder.network.features(x), network.features(x)) }
    #expect(ours.array(of: Float.self) == theirs.array())

    let out = "\(folder)/out.pth"
    let exported = try Program.run("export", checkpoint, "--format", "timm", "--out", out)
    #expect(exported.code == 0, "\(exported.errors)")
    #expect(
      exported.output == """
        In timm it is a VisionTransformer(img_size=32, embed_dim=384, depth=12, num_heads=12, num_classes=0).
        150 tensors of the query encoder written: \(out)

        """)
    let file = try WeightsFile(out)
    #expect(
      Set(file.entries.map(\.name))
        == Set(network.state.map(\.name)).subtracting(["head.weight", "head.bias"]))
    for entry in network.state where !entry.name.hasPrefix("head.") {
      let bytes = try file.tensor(entry.name).withUnsafeBytes(Array.init)
      #expect(bytes == entry.tensor.withUnsafeBytes(Array.init), "\(entry.name)")
    }
    let refused = try Program.run("export", checkpoint, "--format", "detectron2", "--out", out)
    #expect(refused.code == 1)
    #expect(
      refused.errors
        == "moco: \(checkpoint): a vision transformer goes out with timm's names only, not with detectron2's. "
        + "Export --format timm or safetensors.\n")
  }

  /// MoCo v3's projector is the head then, so that `--layer head` is what it contrasted; the predictor stays behind.
  @Test(arguments: [Architecture.resnet8, .vitSmall])
  func theProjectorOfMoCoV3ComesAlong(arch: Architecture) throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let head = Head.normalizedMLP(
      layers: arch.isTransformer ? 3 : 2, hidden: 24, outputs: 16, endsNormalized: true)
    let network = arch.makeBackbone(head: head, imageSize: 32, using: Generator(seed: 1))
    _ = withNoGrad { network(.normal([8, 3, 32, 32], using: Generator(seed: 3))) }  // moves the statistics
    network.move(to: .cpu)  // to the layout of the one that is read: another has other sums
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
    #expect(
      encoder.config.method == .mocoV3 && encoder.config.mocoDim == 16 && encoder.config.mocoMlpDim == 24)
    let x = Tensor.normal([2, 3, 32, 32], using: Generator(seed: 2))
    let (ours, theirs) = withNoGrad { (encoder.network(x), network(x)) }
    #expect(ours.shape == [2, 16] && ours.array(of: Float.self) == theirs.array())
    let exported = try Program.run("export", checkpoint, "--format", "timm", "--out", "\(folder)/out.pth")
    #expect(exported.code == 0, "\(exported.errors)")
  }

  @Test func whatDidNotMatchIsToldAndStrictRefusesIt() throws {
    let path = try makeWeights([("ema.decay", .zeros([1]))], prefix: "model.")
    let folder = (path as NSString).deletingLastPathComponent
    let good = try Program.run("import", path, "--out", "\(folder)/a.safetensors", "--strict")
    #expect(good.code == 0, "\(good.errors)")
    #expect(
      good.output == """
        resnet8, cifar stem, head: classifier
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
        == "moco: \(other): 1 tensor without a place: queue. Nothing was written. Without --strict this is only told.\n"
    )
    #expect(strict.code == 1 && !FileManager.default.fileExists(atPath: "\(folder)/c.safetensors"))
  }

  @Test func wrongUseIsSaid() throws {
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
        == "moco: \(path): it has no key encoder, only one whose names begin with nothing. Choose another --encoder.\n"
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

  /// timm's own: 6 heads, of which the weights do not tell.
  @Test func aTransformersHeadsAreAskedForWhereItsNamesDoNotTell() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let network = VisionTransformer(
      .vitSmall, imageSize: 32, heads: 6, head: .linear(outputs: 3), using: Generator(seed: 1))
    network.train(false)
    let file = "\(folder)/vit.pth", checkpoint = "\(folder)/vit.safetensors"
    try ExportFormat.timm.write(network.state.map { ($0.name, $0.tensor.detached()) }, to: file)
    let guess =
      "vit_small is read with 12 heads, as MoCo v3's has: the file does not tell, and timm's own has 6."
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

  /// A backbone alone is whole: its head belongs to nobody's features.
  @Test func aBackboneWithoutAHeadIsStrictlyWhole() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let network = ResNet(.resnet8, head: .linear(outputs: 3), using: Generator(seed: 1))
    let backbone = network.state.filter { !$0.name.hasPrefix("fc.") }
    let file = "\(folder)/x.pth", checkpoint = "\(folder)/x.safetensors"
    try ExportFormat.timm.write(backbone.map { ($0.name, $0.tensor.detached()) }, to: file)
    let result = try Program.run("import", file, "--out", checkpoint, "--strict")
    #expect(
      result.code == 0
        && result.output == """
          resnet8, cifar stem, head: none
          \(backbone.count) tensors from \(file)
          not in the file, 0 fc
          written: \(checkpoint)

          """,
      "\(result.output)\(result.errors)")
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
    let out = "\(path).out"
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
}
