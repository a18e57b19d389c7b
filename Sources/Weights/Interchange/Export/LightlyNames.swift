import Models
import Torch

/// The names of lightly's documented examples: `torch.nn.Sequential(*list(resnet.children())[:-1])`, saved under a key
/// such as `resnet18_parameters`.
enum LightlyNames {
  /// The places of a ResNet's children: behind `bn1` come the ReLU and the pooling, which have no tensors.
  private static let places = [
    "conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7,
  ]

  static func key(_ arch: Architecture) -> String { "\(arch.rawValue)_parameters" }

  /// Without the classifier, which is not in the examples' backbone.
  /// - Parameter tensors: by torchvision's names.
  static func backbone(_ tensors: [(name: String, tensor: Tensor)]) -> [(name: String, tensor: Tensor)] {
    tensors.compactMap { name, tensor in
      let child = name.prefix { $0 != "." }
      return places[String(child)].map { ("\($0)\(name.dropFirst(child.count))", tensor) }
    }
  }
}
