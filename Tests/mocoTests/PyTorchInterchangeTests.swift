import Foundation
import TestSupport
import Testing
import Torch
import Weights

/// `moco import` and `moco export` against PyTorch itself, skipped where there is none; see ``Python``.
@Suite(.serialized) struct PyTorchInterchangeTests {
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
}
