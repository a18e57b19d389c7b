import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights

/// What `moco export` writes and the lines that it prints, in the libraries that they are for; skipped where these are
/// not installed.
@Suite(.serialized) struct LoadingHintTests {
  private static let torchvision = Python.importing("torch", "torchvision")
  private static let safetensors = Python.importing("torchvision", "safetensors.torch")
  private static let timm = Python.importing("torch", "timm", "safetensors.torch")
  private static let transformers = Python.importing("torch", "transformers", "PIL")
  private static let onnx = Python.importing("numpy", "onnx", "onnxruntime")

  private static let resnet = EncoderSpec(arch: .resnet18, imageSize: 64)
  private static let small = EncoderSpec(
    arch: .resnet18, stem: .cifar, stemPadding: 2, imageSize: 32, normalization: .cifar)
  private static let classifier = EncoderSpec(arch: .resnet18, imageSize: 64, head: .linear(outputs: 5))
  private static let transformer = EncoderSpec(arch: .vitSmall, heads: 6, imageSize: 32)
  private static let average = EncoderSpec(arch: .vitSmall, pooling: .average, imageSize: 32)

  /// A network whose statistics of batch normalisation are not those of the start, and its file.
  private func makeCheckpoint(_ spec: EncoderSpec, in folder: String) throws -> ImageEncoder {
    let network = spec.makeEncoder(using: Generator(seed: 1))
    let side = spec.imageSize
    _ = withNoGrad { network(.normal([8, 3, side, side], using: Generator(seed: 3))) }
    network.train(false)
    try spec.write(network, head: spec.head == nil ? .missing : .classifier, to: "\(folder)/x.safetensors")
    return network
  }

  /// Exports, runs the printed lines, and compares their result with the network's.
  private func check(
    _ spec: EncoderSpec, _ format: String, _ name: String, in python: Python, extra: String = "",
    isOfNumpy: Bool = false
  ) throws {
    try withFolder { folder in
      let network = try makeCheckpoint(spec, in: folder)
      let result = try Program.run(
        "export", "\(folder)/x.safetensors", "--format", format, "--out", "\(folder)/\(name)")
      #expect(result.code == 0 && result.errors == "", "\(result.errors)")
      let code = result.output.split(separator: "\n").filter { $0.hasPrefix("    ") }.map { $0.dropFirst(4) }
      #expect(!code.isEmpty, "\(result.output)")
      let side = spec.imageSize
      let x = Tensor.normal([3, 3, side, side], using: Generator(seed: 2))
      try x.withUnsafeBytes { try put([UInt8]($0), at: "\(folder)/images") }
      let script = """
        import sys, numpy, torch
        folder, path = sys.argv[1], sys.argv[2]
        images = numpy.fromfile(f"{folder}/images", "<f4").reshape(3, 3, \(side), \(side))
        \(isOfNumpy ? "" : "images = torch.from_numpy(images)")
        names = {"images": images}
        with torch.no_grad():
            exec(open(f"{folder}/hint.py").read(), names)
        result = names["logits"] if "logits" in names else names["features"]
        \(isOfNumpy ? "" : "result = result.numpy()")
        result.astype("<f4").tofile(f"{folder}/result")
        \(extra)
        """
      try put(Array(code.joined(separator: "\n").utf8), at: "\(folder)/hint.py")
      try python.run(script, [folder, "\(folder)/\(name)"])
      let theirs = try Data(contentsOf: URL(filePath: "\(folder)/result"))
        .withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      let ours = withNoGrad { spec.head == nil ? network.features(x) : network(x) }.array(of: Float.self)
      #expect(ours.count == theirs.count)
      // Features of size 1; the same float32 sums in another order differ by about 1e-6.
      let worst = zip(ours, theirs).map { abs($0 - $1) }.max() ?? .infinity
      #expect(worst <= 1e-5, "\(format), \(spec.arch): \(worst)")
      print("\(format), \(spec.arch.rawValue), \(spec.stemName): largest difference \(worst)")
    }
  }

  @Test(
    .enabled(if: torchvision != nil, "no Python with torch and torchvision; set PYTHON to one"),
    arguments: [resnet, small, classifier])
  func torchvisionLoadsIt(_ spec: EncoderSpec) throws {
    try check(spec, "torchvision", "x.pth", in: #require(Self.torchvision))
  }

  @Test(
    .enabled(if: torchvision != nil, "no Python with torch and torchvision; set PYTHON to one"),
    arguments: [resnet, small, classifier])
  func lightlysExampleLoadsIt(_ spec: EncoderSpec) throws {
    var features = spec
    features.head = nil
    try check(features, "lightly", "x.pt", in: #require(Self.torchvision))
  }

  /// PyTorch's own dictionary has attributes too: `_metadata`.
  @Test(.enabled(if: torchvision != nil, "no Python with torch and torchvision; set PYTHON to one"))
  func aFileOfAThreeByThreeStemStatesIt() throws {
    try check(
      Self.small, "torchvision", "x.pth", in: #require(Self.torchvision),
      extra: """
        import json
        network = json.loads(torch.load(path, weights_only=True).network)
        assert network["stem"] == "cifar" and network["stemPadding"] == 2, network
        assert network["normalization"]["std"] == [0.2023, 0.1994, 0.2010], network
        """)
  }

  @Test(
    .enabled(if: safetensors != nil, "no Python with torchvision and safetensors"),
    arguments: [resnet, small, classifier])
  func safetensorsLoadsIt(_ spec: EncoderSpec) throws {
    try check(spec, "safetensors", "x.safetensors", in: #require(Self.safetensors))
  }

  @Test(
    .enabled(if: timm != nil, "no Python with timm"),
    arguments: [resnet, small, classifier, transformer, average])
  func timmLoadsIt(_ spec: EncoderSpec) throws {
    try check(spec, "timm", "x.pth", in: #require(Self.timm))
    try check(
      spec, "safetensors", "y.safetensors",
      in: #require(spec.arch.isTransformer ? Self.timm : Self.safetensors))
  }

  @Test(
    .enabled(if: transformers != nil, "no Python with transformers"),
    arguments: [resnet, transformer, average])
  func transformersLoadsItWhole(_ spec: EncoderSpec) throws {
    try check(
      spec, "transformers", "folder", in: #require(Self.transformers),
      extra: """
        from transformers import AutoModel, AutoImageProcessor
        from PIL import Image
        model, info = AutoModel.from_pretrained(path, output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
        processor = AutoImageProcessor.from_pretrained(path)
        gray = Image.new("RGB", (90, 70), (128, 128, 128))
        pixels = torch.as_tensor(processor(gray, return_tensors="pt")["pixel_values"])
        assert pixels.shape == (1, 3, \(spec.imageSize), \(spec.imageSize)), pixels.shape
        wanted = (128 / 255 - torch.tensor(\(spec.normalization.mean))) / torch.tensor(\(spec.normalization.std))
        assert (pixels - wanted.view(1, 3, 1, 1)).abs().max() < 1e-5, pixels[0, :, 0, 0]
        """)
  }

  @Test(
    .enabled(if: onnx != nil, "no Python with onnx and onnxruntime"),
    arguments: [
      resnet, small, transformer, average, EncoderSpec(arch: .resnet50, imageSize: 64),
      EncoderSpec(arch: .resnext50, imageSize: 64), EncoderSpec(arch: .vitConvSmall, imageSize: 32),
    ])
  func onnxruntimeComputesTheSame(_ spec: EncoderSpec) throws {
    try check(
      spec, "onnx", "x.onnx", in: #require(Self.onnx),
      extra: """
        import onnx
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert model.opset_import[0].version >= 17
        session = names["session"]
        both = numpy.concatenate([images, images, images[:1]])
        many, = session.run(["features"], {"images": both})
        assert many.shape[0] == 7 and abs(many[:3] - result).max() < 1e-5
        one, = session.run(["features"], {"images": images[1:2]})
        assert abs(one - result[1:2]).max() < 1e-5, abs(one - result[1:2]).max()
        """, isOfNumpy: true)
  }

  /// Bytes in, and a classifier's logits out.
  @Test(.enabled(if: onnx != nil, "no Python with onnx and onnxruntime"))
  func aGraphThatNormalises() throws {
    try withFolder { folder in
      let spec = Self.classifier
      let network = try makeCheckpoint(spec, in: folder)
      let result = try Program.run(
        "export", "\(folder)/x.safetensors", "--format", "onnx", "--normalise", "--out", "\(folder)/x.onnx")
      #expect(result.code == 0, "\(result.errors)")
      #expect(
        result.output.contains("images: N×3×64×64 bytes; the graph normalises them.\n"), "\(result.output)")
      try #require(Self.onnx).run(
        """
        import sys, numpy, onnx, onnxruntime
        folder = sys.argv[1]
        onnx.checker.check_model(f"{folder}/x.onnx", full_check=True)
        images = numpy.random.RandomState(1).randint(0, 256, (3, 3, 64, 64), numpy.uint8)
        images.tofile(f"{folder}/images")
        session = onnxruntime.InferenceSession(f"{folder}/x.onnx")
        assert session.get_inputs()[0].type == "tensor(uint8)"
        session.run(["logits"], {"images": images})[0].tofile(f"{folder}/result")
        """, [folder])
      let pixels = Tensor(try bytes(at: "\(folder)/images"), shape: [3, 3, 64, 64]).to(.float32)
      func channels(_ values: [Double]) -> Tensor {
        Tensor(values, shape: [1, 3, 1, 1]).to(.float32)
      }
      let x = (pixels / 255 - channels(spec.normalization.mean)) / channels(spec.normalization.std)
      let ours = withNoGrad { network(x) }.array(of: Float.self)
      let theirs = try Data(contentsOf: URL(filePath: "\(folder)/result"))
        .withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      #expect(ours.count == 15 && zip(ours, theirs).allSatisfy { abs($0 - $1) <= 1e-5 })
    }
  }
}
