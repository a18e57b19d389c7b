import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Weights

@Suite struct StatedSpecs {
  /// A file of a ResNet-8's tensors that states this JSON.
  private func checkpoint(_ json: String, in folder: String) throws -> String {
    let network = EncoderSpec(arch: .resnet8).makeEncoder(using: Generator(seed: 1))
    let path = "\(folder)/x.safetensors"
    try Safetensors.write(
      network.state.map { ("encoder_q.\($0.name)", $0.tensor.detached()) },
      metadata: ["encoder": json, "format": "moco", "head": "none"], to: path)
    return path
  }

  @Test func everyValueGoesThroughAFile() throws {
    try withFolder { folder in
      let path = "\(folder)/x.safetensors"
      let spec = EncoderSpec(
        arch: .resnet8, stem: .cifar, stemPadding: 2, imageSize: 40,
        normalization: Normalization(mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6]), resizing: .cropShare(0.9),
        interpolation: .bicubic)
      let network = spec.makeEncoder(using: Generator(seed: 1))
      network.train(false)
      try spec.write(network, head: .missing, to: path)
      let read = try TrainedEncoder(path)
      #expect(read.spec == spec)
      let x = Tensor.normal([1, 3, 40, 40], using: Generator(seed: 2))
      let (ours, theirs) = withNoGrad { (read.network.features(x), network.features(x)) }
      #expect(ours.array(of: Float.self) == theirs.array())
    }
  }

  /// None of these may reach a precondition, or memory of its size.
  @Test(arguments: [
    (#""imageSize":99999999"#, "image-size 99999999: 1 to 8192 pixels."),
    (
      #""imageSize":32,"stemPadding":1000000"#,
      "stem-padding 1000000: 0 to 2 pixels around the 3×3 convolution."
    ),
    (#""imageSize":32,"heads":0"#, "heads 0: resnet8 is no vision transformer and has no heads."),
  ])
  func aNetworkThatCannotBeIsRefused(_ values: String, _ problem: String) throws {
    try withFolder { folder in
      let json =
        #"{"arch":"resnet8","normalization":{"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5]},"# + values + "}"
      let path = try checkpoint(json, in: folder)
      #expect {
        try TrainedEncoder(path)
      } throws: {
        "\($0)" == "\(path): the network that the file states cannot be: \(problem)"
      }
    }
  }

  @Test(arguments: [("detector", "detect"), ("segmenter", "segment")])
  func aWholeNetworkIsNoEncoder(_ noun: String, _ command: String) throws {
    try withFolder { folder in
      let path = "\(folder)/x.safetensors"
      try Safetensors.write(
        [("conv", Tensor.zeros([1]))], metadata: ["config": #"{"arch":"resnet18"}"#, noun: "{}"], to: path)
      #expect {
        try TrainedEncoder(path)
      } throws: {
        "\($0)"
          == "\(path): it holds a \(noun), made by `moco \(command)`, and no encoder. Give the encoder that it started from."
      }
    }
  }

  @Test func librariesHaveTheirOwnImages() {
    func spec(_ arch: Architecture, _ stem: Stem? = nil, of library: WeightsLibrary) -> EncoderSpec {
      var spec = EncoderSpec(
        arch: arch, stem: stem, imageSize: stem == .cifar ? 32 : 224,
        normalization: stem == .cifar ? .cifar : .imageNet)
      spec.takeDefaults(of: library)
      return spec
    }
    let half = Normalization(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])
    // timm 1.0.31: vit_small_patch16_224's default_cfg
    #expect(
      spec(.vitSmall, of: .timm)
        == EncoderSpec(
          arch: .vitSmall, normalization: half, resizing: .cropShare(0.9), interpolation: .bicubic))
    #expect(spec(.resnet50, of: .timm) == EncoderSpec(arch: .resnet50))
    // solo-learn 1.0.6: CIFAR's stem and normalisation
    let small = spec(.resnet18, .cifar, of: .soloLearn)
    #expect(small.stemPadding == 2 && small.normalization.std == [0.247, 0.243, 0.261])
    #expect(small.normalization.mean == [0.4914, 0.4822, 0.4465])
    #expect(spec(.resnet18, of: .soloLearn) == EncoderSpec(arch: .resnet18))
    // lightly 1.6.0: its transforms normalise by ImageNet's values, small images too
    #expect(spec(.resnet18, .cifar, of: .lightly).normalization == .imageNet)
    for library in WeightsLibrary.allCases {
      for arch in [Architecture.resnet50, .vitBase] { #expect(spec(arch, of: library).problem == nil) }
    }
  }
}
