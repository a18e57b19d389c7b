import Foundation
import Models
import TestSupport
import Testing
import Torch
import Weights

/// `moco import` of files that the libraries themselves write, and the features that they compute: skipped where the
/// Python has no such library; see ``Python``.
@Suite(.serialized) struct LibraryInterchangeTests {
  /// Statistics and weights of normalisation that are not 0 and 1, so that each is seen in the features.
  private static let preamble = """
    import argparse, copy, sys
    import torch
    import torchvision
    from torch import nn

    folder = sys.argv[1]
    torch.manual_seed(1)

    def shaken(net):
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.data.uniform_(0.5, 1)
                module.bias.data.normal_(0, 0.1)
            if isinstance(module, nn.LayerNorm):
                module.weight.data.uniform_(0.5, 1)
                module.bias.data.normal_(0, 0.1)
        return net.eval()

    def write(name, state, x, features):
        torch.save(state, f"{folder}/{name}")
        note(name, x, features)

    def note(name, x, features):
        features.detach().numpy().astype("<f4").tofile(f"{folder}/{name}.features")
        x.numpy().astype("<f4").tofile(f"{folder}/{name}.input")

    def checkpoint(state):  # of Lightning, with schedulers and hyper-parameters
        parameter = nn.Parameter(torch.zeros(3))
        optimizer = torch.optim.SGD([parameter], 0.1)
        return {
            "epoch": 1, "state_dict": state, "optimizer_states": [optimizer.state_dict()],
            "lr_schedulers": [torch.optim.lr_scheduler.MultiStepLR(optimizer, [3]).state_dict()],
            "hyper_parameters": {"device": torch.device("cpu"), "args": argparse.Namespace(lr=0.1)},
        }

    torch.set_grad_enabled(False)

    """

  private func floats(_ path: String) throws -> [Float] {
    try Data(contentsOf: URL(filePath: path)).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  /// Imports a file of the folder and compares the features of its input.
  @discardableResult
  private func compare(
    _ name: String, in folder: String, _ options: [String] = [], size: Int, library: String? = nil,
    channels: Int = 3
  ) throws -> Program.Result {
    let out = "\(folder)/\(name)-\(options.joined()).safetensors"
    let result = try Program.run(["import", "\(folder)/\(name)", "--out", out] + options)
    #expect(result.code == 0, "\(result.errors)")
    #expect(library == nil || result.output.contains(", of \(library ?? "")\n"), "\(result.output)")
    let encoder = try TrainedEncoder(out, on: .cpu)
    let input = Tensor(try floats("\(folder)/\(name).input"), shape: [2, channels, size, size])
    let x = channels == 1 ? input.expanded([2, 3, size, size]).contiguous() : input
    let ours = withNoGrad { encoder.network.features(x) }.array(of: Float.self)
    let theirs = try floats("\(folder)/\(name).features")
    #expect(ours.count == theirs.count && !ours.isEmpty)
    // Features are of size 1; the same float32 sums in another order differ by about 1e-6.
    let worst = zip(ours, theirs).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst <= 1e-5, "\(name) \(options)")
    print("\(name) \(options.joined(separator: " ")): largest difference of a feature \(worst)")
    return result
  }

  private func run(_ python: Python?, _ script: String, _ body: (String) throws -> Void) throws {
    let python = try #require(python)
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python.run(Self.preamble + script, [folder])
    try body(folder)
  }

  // MARK: lightly

  private static let lightly = Python.importing("torch", "torchvision", "lightly.models.modules")

  /// The MoCo example of lightly's documentation, saved by Lightning and by itself.
  @Test(.enabled(if: lightly != nil, "no Python with lightly; set PYTHON to one"))
  func theMoCoExampleOfLightlyHasItsFeatures() throws {
    try run(
      Self.lightly,
      """
      from lightly.models.modules import MoCoProjectionHead
      from lightly.models.utils import deactivate_requires_grad

      class MoCo(nn.Module):
          def __init__(self, backbone):
              super().__init__()
              self.backbone = backbone
              self.projection_head = MoCoProjectionHead(512, 512, 128)
              self.backbone_momentum = copy.deepcopy(self.backbone)
              self.projection_head_momentum = copy.deepcopy(self.projection_head)
              deactivate_requires_grad(self.backbone_momentum)

      model = MoCo(shaken(nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])))
      shaken(model.backbone_momentum)
      x = torch.randn(2, 3, 64, 64)
      write("lightly.ckpt", checkpoint(model.state_dict()), x, model.backbone(x).flatten(1))
      write("lightly.pth", model.backbone.state_dict(), x, model.backbone(x).flatten(1))
      write("key.ckpt", checkpoint(model.state_dict()), x, model.backbone_momentum(x).flatten(1))
      """
    ) { folder in
      let result = try compare("lightly.ckpt", in: folder, size: 64, library: "lightly")
      #expect(
        result.output.contains(
          "its other encoder: `state_dict.backbone_momentum.`, which --encoder key imports\n"),
        "\(result.output)")
      #expect(result.output.contains("left unread: collections.Counter, torch.device\n"), "\(result.output)")
      try compare("lightly.pth", in: folder, size: 64)
      try compare("key.ckpt", in: folder, ["--encoder", "key"], size: 64, library: "lightly")
    }
  }

  // MARK: solo-learn

  /// solo-learn 1.0.2 needs Lightning 1.4 and lightning-bolts, of which nothing runs here.
  private static let soloPreamble = """
    import types
    lightning = types.ModuleType("pytorch_lightning")
    class Module(nn.Module):
        def save_hyperparameters(self, *args): pass
    lightning.LightningModule = Module
    lightning.Callback = lightning.Trainer = object
    stubs = {"pytorch_lightning": lightning}
    for name, classes in {
        "pl_bolts.optimizers.lr_scheduler": ["LinearWarmupCosineAnnealingLR"], "torchmetrics.metric": ["Metric"],
        "pytorch_lightning.callbacks": ["Callback"], "pytorch_lightning.utilities": [],
    }.items():
        module = stubs[name] = types.ModuleType(name)
        for each in classes: setattr(module, each, object)
        for part in range(1, name.count(".") + 1):
            parent = name.rsplit(".", part)[0]
            stubs.setdefault(parent, types.ModuleType(parent))
    sys.modules.update({name: module for name, module in stubs.items() if name not in sys.modules or "pl_" in name or "lightning" in name})
    solo = types.ModuleType("solo")
    import importlib.util
    solo.__path__ = list(importlib.util.find_spec("solo").submodule_search_locations)
    sys.modules["solo"] = solo
    methods = types.ModuleType("solo.methods")
    methods.__path__ = [f"{solo.__path__[0]}/methods"]
    sys.modules["solo.methods"] = methods
    from solo.methods.mocov2plus import MoCoV2Plus

    """

  private static let solo = Python.importing("torch", "torchvision", "timm", distribution: "solo-learn")

  /// Both encoders under the names of 1.0.2, which is the real network, and of 1.0.6 (`backbone`), with ImageNet's stem
  /// and with CIFAR's, which has a padding of 2.
  @Test(.enabled(if: solo != nil, "no Python with solo-learn 1.0.2; set PYTHON to one"))
  func bothNetworksOfSoloLearnHaveTheirFeatures() throws {
    try run(
      Self.solo,
      Self.soloPreamble + """
        for small in [False, True]:
            model = MoCoV2Plus(
                proj_output_dim=128, proj_hidden_dim=256, temperature=0.2, queue_size=64, encoder="resnet18",
                num_classes=10, backbone_args={"cifar": small, "zero_init_residual": False}, max_epochs=1, batch_size=2,
                optimizer="sgd", lars=False, lr=0.1, weight_decay=0, classifier_lr=0.1, exclude_bias_n_norm=False,
                accumulate_grad_batches=1, extra_optimizer_args={}, scheduler="none", min_lr=0, warmup_start_lr=0,
                warmup_epochs=0, num_large_crops=2, num_small_crops=0, base_tau_momentum=0.99, final_tau_momentum=1.0,
                momentum_classifier=False)
            shaken(model)
            x = torch.randn(2, 3, 32, 32)
            state = model.state_dict()
            renamed = {}
            for name, tensor in state.items():
                name = name.replace("momentum_encoder.", "momentum_backbone.")
                renamed["backbone" + name[7:] if name.startswith("encoder.") else name] = tensor
            stem = "small" if small else "large"
            for version, tensors in [("1.0.2", state), ("1.0.6", renamed)]:
                write(f"query-{version}-{stem}.ckpt", checkpoint(tensors), x, model.encoder(x))
                write(f"key-{version}-{stem}.ckpt", checkpoint(tensors), x, model.momentum_encoder(x))
        """
    ) { folder in
      for version in ["1.0.2", "1.0.6"] {
        for stem in ["large", "small"] {
          try compare("query-\(version)-\(stem).ckpt", in: folder, size: 32, library: "solo-learn")
          try compare(
            "key-\(version)-\(stem).ckpt", in: folder, ["--encoder", "key"], size: 32, library: "solo-learn")
        }
      }
    }
  }

  // MARK: timm

  private static let timm = Python.importing("torch", "torchvision", "timm")

  @Test(.enabled(if: timm != nil, "no Python with timm; set PYTHON to one"))
  func timmsOwnNetworksHaveTheirFeatures() throws {
    try run(
      Self.timm,
      """
      import timm
      net = shaken(timm.create_model("vit_small_patch16_224", num_classes=10, img_size=64))
      x = torch.randn(2, 3, 64, 64)
      features = net.forward_head(net.forward_features(x), pre_logits=True)
      write("vit.pth", net.state_dict(), x, features)

      net = shaken(timm.create_model("resnet18", num_classes=10, in_chans=1))
      averaged = shaken(copy.deepcopy(net))
      x = torch.randn(2, 1, 64, 64)
      state = {"arch": "resnet18", "state_dict": net.state_dict(), "state_dict_ema": averaged.state_dict()}
      write("gray.pth", state, x, net.forward_head(net.forward_features(x), pre_logits=True))
      write("averaged.pth", state, x, averaged.forward_head(averaged.forward_features(x), pre_logits=True))
      from timm.models import adapt_input_conv
      adapt_input_conv(3, net.conv1.weight, base_chans=1).numpy().tofile(f"{folder}/conv1")
      """
    ) { folder in
      try compare("vit.pth", in: folder, ["--heads", "6"], size: 64, library: "timm")
      let result = try compare(
        "gray.pth", in: folder, ["--channels", "sum"], size: 64, library: "timm", channels: 1)
      #expect(
        result.output.contains(
          "state_dict.conv1.weight: its 1 channel is spread over 3, a third each: a gray image has the same features\n"
        ),
        "\(result.output)")
      try compare(
        "averaged.pth", in: folder, ["--channels", "sum", "--encoder", "ema"], size: 64, library: "timm",
        channels: 1)
      let model = try Checkpoint.load("\(folder)/gray.pth---channelssum.safetensors").model
      let ours = try #require(model["encoder_q.conv1.weight"]).array(of: Float.self)
      let theirs = try floats("\(folder)/conv1")
      // A third by one division, theirs by a product: two roundings.
      #expect(
        ours.count == theirs.count
          && zip(ours, theirs).allSatisfy { abs($0 - $1) <= 2 * Float.ulpOfOne * abs($1) })
    }
  }

  // MARK: transformers and torchvision

  private static let transformers = Python.importing("torch", "torchvision", "transformers")

  @Test(.enabled(if: transformers != nil, "no Python with transformers; set PYTHON to one"))
  func networksOfTransformersHaveTheirFeatures() throws {
    try run(
      Self.transformers,
      """
      import shutil
      from transformers import ResNetConfig, ResNetForImageClassification, ViTConfig, ViTModel
      x = torch.randn(2, 3, 64, 64)
      net = shaken(ResNetForImageClassification(ResNetConfig(
          depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], embedding_size=64, layer_type="basic", num_labels=10)))
      features = net.resnet(x).pooler_output.flatten(1)
      write("resnet.pth", net.state_dict(), x, features)
      net.save_pretrained(f"{folder}/resnet")
      shutil.copy(f"{folder}/resnet/model.safetensors", f"{folder}/resnet.safetensors")
      note("resnet.safetensors", x, features)
      net = shaken(ViTModel(ViTConfig(
          hidden_size=384, num_attention_heads=12, intermediate_size=1536, image_size=64, layer_norm_eps=1e-6)))
      features = net(x).last_hidden_state[:, 0]
      write("vit.pth", net.state_dict(), x, features)
      net.save_pretrained(f"{folder}/vit")
      shutil.copy(f"{folder}/vit/model.safetensors", f"{folder}/vit.safetensors")
      note("vit.safetensors", x, features)
      """
    ) { folder in
      for name in ["resnet.pth", "resnet.safetensors"] {
        try compare(name, in: folder, size: 64, library: "transformers")
      }
      for name in ["vit.pth", "vit.safetensors"] {
        try compare(name, in: folder, ["--heads", "12"], size: 64, library: "transformers")
      }
    }
  }

  private static let torchvision = Python.importing("torch", "torchvision")

  @Test(.enabled(if: torchvision != nil, "no Python with torch and torchvision; set PYTHON to one"))
  func torchvisionsTransformerHasItsFeatures() throws {
    try run(
      Self.torchvision,
      """
      net = shaken(torchvision.models.VisionTransformer(
          image_size=64, patch_size=16, num_layers=12, num_heads=12, hidden_dim=384, mlp_dim=1536, num_classes=10))
      x = torch.randn(2, 3, 64, 64)
      state = net.state_dict()
      net.heads = nn.Identity()
      write("vit.pth", state, x, net(x))
      """
    ) { folder in
      let result = try compare("vit.pth", in: folder, ["--heads", "12"], size: 64, library: "torchvision")
      #expect(
        result.output.hasPrefix("vit_small, patch stem, 12 heads, head: classifier\n"), "\(result.output)")
    }
  }
}
