import Foundation
import Models

/// How another program loads an export: lines of Python that end with `features`, N×C, of `images`, and sentences on
/// what a reader of the lines could not know.
public struct LoadingHint: Sendable, Equatable {
  /// None where the program is configured otherwise, or has no such network.
  public internal(set) var code: [String] = []
  public internal(set) var notes: [String] = []
}

extension EncoderExport {
  /// - Parameter path: of the file or folder that was written.
  public func hint(_ path: String) -> LoadingHint {
    var hint = LoadingHint()
    hint.notes = notes
    switch format {
    case .torchvision, .timm, .safetensors:
      let isTimm = format == .timm || spec.arch.isTransformer
      guard let network = isTimm ? timmNetwork : torchvisionNetwork else { break }
      let load = format == .safetensors ? "safetensors.torch.load_file" : "torch.load"
      let modules =
        ["torch", isTimm ? "timm" : "torchvision"] + (format == .safetensors ? ["safetensors.torch"] : [])
      hint.code =
        ["import \(modules.joined(separator: ", "))"] + network + [
          "model.load_state_dict(\(load)(\(quoted(path))))",
          "\(spec.head == nil ? "features" : "logits") = model.eval()(images)",
        ]
    case .transformers:
      let features =
        spec.pooling == .average && spec.arch.isTransformer
        ? "last_hidden_state[:, 1:].mean(1)" : "pooler_output.flatten(1)"
      hint.code = [
        "from transformers import AutoImageProcessor, AutoModel",
        "processor = AutoImageProcessor.from_pretrained(\(quoted(path)))",
        "model = AutoModel.from_pretrained(\(quoted(path)))",
        "features = model(images).\(features)",
      ]
    case .onnx:
      hint.code = [
        "import onnxruntime",
        "session = onnxruntime.InferenceSession(\(quoted(path)))",
        "features = session.run([\"features\"], {\"images\": images})[0]",
      ]
    case .lightly:
      let key = LightlyNames.key(spec.arch)
      hint.code =
        ["import torch, torchvision"] + (torchvisionNetwork ?? []).filter { !$0.hasPrefix("model.fc") } + [
          "backbone = torch.nn.Sequential(*list(model.children())[:-1])",
          "backbone.load_state_dict(torch.load(\(quoted(path)))[\(quoted(key))])",
          "features = backbone.eval()(images).flatten(1)",
        ]
    case .detectron2: break
    }
    return hint
  }

  private var notes: [String] {
    var notes = ["The network sees \(spec.imageSummary)."]
    if format == .onnx {
      notes.append(
        normalizes
          ? "images: N×3×\(spec.imageSize)×\(spec.imageSize) bytes; the graph normalises them."
          : "images: N×3×\(spec.imageSize)×\(spec.imageSize) float32, normalised.")
    }
    if !spec.arch.isTransformer, spec.stemName == Stem.cifar.rawValue, format != .onnx {
      notes.append(
        "The stem is a 3×3 convolution with stride 1 and padding \(spec.stemPadding ?? Stem.cifarPadding), without "
          + "max-pooling.")
    }
    switch format {
    case .torchvision, .timm, .safetensors:
      let isTimm = format == .timm || spec.arch.isTransformer
      if (isTimm ? timmNetwork : torchvisionNetwork) == nil {
        notes.append("\(isTimm ? "timm" : "torchvision") has no \(spec.arch.rawValue).")
      }
    case .transformers, .lightly, .detectron2:
      if spec.head != nil { notes.append("The classifier stays behind.") }
    case .onnx: break
    }
    return notes
  }

  /// The outputs of a classifier that goes along.
  private var classes: Int? {
    if case .linear(let outputs) = spec.head { outputs } else { nil }
  }

  private var torchvisionNetwork: [String]? {
    let classes = classes.map { "num_classes=\($0)" } ?? ""
    var lines: [String]
    if spec.arch == .wideResnet50x4 {
      let given = classes.isEmpty ? "" : ", \(classes)"
      lines = [
        "from torchvision.models.resnet import Bottleneck, ResNet",
        "model = ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=256\(given))",
      ]
    } else if spec.arch.isInTorchvision {
      lines = ["model = torchvision.models.\(spec.arch.rawValue)(\(classes))"]
    } else {
      return nil
    }
    lines += stem
    if spec.head == nil { lines.append("model.fc = torch.nn.Identity()") }
    return lines
  }

  private var timmNetwork: [String]? {
    let classes = "num_classes=\(classes ?? 0)"
    if let transformer = spec.arch.transformer {
      guard !transformer.hasConvolutionalStem else { return nil }
      let isUsual = transformer.patch == Architecture.Transformer.standardPatch
      let patch = isUsual ? "" : "patch_size=\(transformer.patch), "
      let pooling = spec.pooling == .average ? ", global_pool=\"avg\", fc_norm=False" : ""
      return [
        "model = timm.models.VisionTransformer(img_size=\(spec.imageSize), \(patch)embed_dim=\(transformer.width), "
          + "depth=\(transformer.depth), num_heads=\(spec.heads ?? Architecture.defaultHeads), \(classes)\(pooling))"
      ]
    }
    if spec.arch == .wideResnet50x4 {
      return [
        "from timm.models.resnet import Bottleneck, ResNet",
        "model = ResNet(Bottleneck, [3, 4, 6, 3], base_width=256, \(classes))",
      ] + stem
    }
    return spec.arch.isInTorchvision
      ? ["model = timm.create_model(\(quoted(spec.arch.rawValue)), \(classes))"] + stem : nil
  }

  /// The changes for a 3×3 stem.
  private var stem: [String] {
    guard spec.stemName == Stem.cifar.rawValue else { return [] }
    return [
      "model.conv1 = torch.nn.Conv2d(3, \(spec.arch.width), 3, padding=\(spec.stemPadding ?? Stem.cifarPadding), "
        + "bias=False)",
      "model.maxpool = torch.nn.Identity()",
    ]
  }

  /// A text as Python reads it: JSON's is of the same form.
  private func quoted(_ text: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\(text)\""
  }
}
