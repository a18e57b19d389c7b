import Foundation
import Testing
import Torch
@testable import Models

@Suite struct EncoderSpecs {
  private func largest(_ difference: Tensor) -> Float { difference.abs().array().max() ?? .infinity }

  /// The maps are checked against timm elsewhere.
  @Test func theAverageOfPatchesIsTheMeanOfTheMap() {
    let spec = EncoderSpec(arch: .vitSmall, pooling: .average, imageSize: 48)
    let network = spec.makeEncoder(using: Generator(seed: 1))
    network.train(false)
    let x = Tensor.normal([2, 3, 48, 48], using: Generator(seed: 2))
    let (features, map) = withNoGrad { (network.features(x), network.backbone.featureMaps(x)[0]) }
    let mean = map.mean(dims: [2, 3])
    #expect(features.shape == [2, 384])
    // Features of size 1 as a sum of nine numbers in float32.
    #expect(largest(features - mean) < 1e-6)
    var token = spec
    token.pooling = nil
    let other = token.makeEncoder(using: Generator(seed: 1))
    other.train(false)
    #expect(largest(withNoGrad { other.features(x) } - mean) > 0.01)
  }

  /// 32 + 2·2 − 3 + 1: solo-learn's CIFAR stem.
  @Test func theStemsPaddingIsPartOfTheNetwork() {
    for (padding, side) in [(nil, 32), (0, 30), (1, 32), (2, 34)] {
      let network = EncoderSpec(arch: .resnet18, stem: .cifar, stemPadding: padding).makeEncoder(
        using: Generator(seed: 1))
      network.train(false)
      let maps = withNoGrad { network.backbone.featureMaps(.zeros([1, 3, 32, 32])) }
      #expect(maps[0].shape == [1, 64, side, side], "\(padding ?? -1)")
    }
  }

  /// A file of an older version has none of the newer values, and one that needs none of them is the same as then.
  @Test func specsOfOlderFilesAreReadAndWritten() throws {
    let text =
      #"{"arch":"resnet50","imageSize":224,"normalization":{"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}}"#
    let spec = try JSONDecoder().decode(EncoderSpec.self, from: Data(text.utf8))
    #expect(spec == EncoderSpec(arch: .resnet50) && spec.problem == nil)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    #expect(String(decoding: try encoder.encode(spec), as: UTF8.self) == text)
  }

  @Test func whatNoNetworkCanHaveIsNamed() {
    let cases: [(EncoderSpec, String)] = [
      (EncoderSpec(arch: .resnet50, imageSize: 0), "image-size 0: 1 to 8192 pixels."),
      (EncoderSpec(arch: .resnet50, imageSize: 8193), "image-size 8193: 1 to 8192 pixels."),
      (
        EncoderSpec(arch: .vitSmall, imageSize: 40),
        "image-size 40: vit_small cuts images into patches of 16 pixels; give a multiple of 16."
      ),
      (
        EncoderSpec(arch: .vitSmall, heads: 7),
        "heads 7: the 384 channels of vit_small do not divide into 7 heads. Give 6 or 8."
      ),
      (
        EncoderSpec(arch: .resnet18, heads: 6), "heads 6: resnet18 is no vision transformer and has no heads."
      ),
      (
        EncoderSpec(arch: .resnet18, stemPadding: 2),
        "stem-padding 2: only a 3×3 stem has a choice, not the imagenet stem."
      ),
      (
        EncoderSpec(arch: .resnet18, stem: .cifar, stemPadding: 3),
        "stem-padding 3: 0 to 2 pixels around the 3×3 convolution."
      ),
      (
        EncoderSpec(arch: .resnet18, pooling: .token),
        "pooling token: resnet18 is no vision transformer and has no class token."
      ),
      (
        EncoderSpec(arch: .resnet18, normalization: Normalization(mean: [0.5], std: [1, 1, 1])),
        "mean 0.5: give three numbers, of red, green and blue, or one for all."
      ),
      (
        EncoderSpec(
          arch: .resnet18, normalization: Normalization(mean: [123.7, 116.3, 103.5], std: [1, 1, 1])),
        "mean 123.7,116.3,103.5: levels lie between 0 and 1 here; divide those of 0 to 255 by 255."
      ),
      (
        EncoderSpec(arch: .resnet18, normalization: Normalization(mean: [0, 0, .nan], std: [1, 1, 1])),
        "mean 0.0,0.0,nan: levels lie between 0 and 1 here; divide those of 0 to 255 by 255."
      ),
      (
        EncoderSpec(arch: .resnet18, normalization: Normalization(mean: [0, 0, 0], std: [1, 1, 0])),
        "std 1.0,1.0,0.0: deviations of levels from 0 to 1 lie above 0 and up to 1; divide those of 0 to 255 by 255."
      ),
      (
        EncoderSpec(arch: .resnet18, resizing: .shortSide(200)),
        "resize 200: the centre of 224 pixels does not fit into it; give at least 224."
      ),
      (
        EncoderSpec(arch: .resnet18, resizing: .cropShare(0.01)),
        "resize 0.01: the shorter side would have more than 8192 pixels."
      ),
      (
        EncoderSpec(
          arch: .resnet18, head: .normalizedMLP(layers: 0, hidden: 1, outputs: 1, endsNormalized: false)),
        "head: sizes of [0, 1, 1] are not possible."
      ),
    ]
    for (spec, problem) in cases { #expect(spec.problem == problem) }
  }
}
