import Foundation
import Models
import Torch

extension EncoderSpec {
  /// Takes over what a library's networks see, as far as it is another than this program's own: their weights do not show
  /// it. What the library's own evaluation or configuration says is meant; single networks may differ.
  mutating func takeDefaults(of library: WeightsLibrary) {
    let isSmall = !arch.isTransformer && stemName == Stem.cifar.rawValue
    switch library {
    case .timm where arch.transformer?.hasConvolutionalStem == false:
      (normalization, resizing, interpolation) = (.half, .cropShare(0.9), .bicubic)
    case .transformers where arch.isTransformer:
      (normalization, resizing) = (.half, .squash)
    case .transformers:
      (resizing, interpolation) = (.cropShare(0.875), .bicubic)
    case .dino:
      (resizing, interpolation) = (.cropShare(0.875), .bicubic)
    case .soloLearn where isSmall:
      (normalization, stemPadding) = (.cifarWhole, 2)
    case .lightly, .lightlyTrain:
      normalization = .imageNet
    case .moco, .mocoV3, .torchvision, .timm, .soloLearn, .mmpretrain, .vissl, .detectron2: break
    }
  }
}

extension EncoderSpec {
  /// Takes over what an export of this program states of a network, where it is one that the tensors can be.
  /// - Returns: whether it is.
  mutating func takeStatement(_ json: String?) -> Bool {
    guard let json, var stated = try? JSONDecoder().decode(EncoderSpec.self, from: Data(json.utf8)),
      stated.arch == arch, stated.stemName == stemName, !arch.isTransformer || stated.imageSize == imageSize
    else { return false }
    (stated.stem, stated.head) = (stem, head)
    guard stated.problem == nil else { return false }
    self = stated
    return true
  }
}

extension Normalization {
  /// Levels from −1 to 1.
  static let half = Normalization(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])
  /// CIFAR-10's, with the deviation over all pixels of the set, where ``cifar`` has the mean of the images' own.
  static let cifarWhole = Normalization(mean: Normalization.cifar.mean, std: [0.247, 0.243, 0.261])
}
