import Testing
import Torch
@testable import Models

/// One tensor of a state dict as torchvision lists it: key, shape, element type.
struct Row: Decodable, Equatable, CustomStringConvertible {
  let key: String
  let shape: [Int]
  let dtype: String

  init(_ tensor: TensorSpec) {
    key = tensor.name
    shape = tensor.shape
    dtype = tensor.dtype.rawValue
  }

  init(from decoder: Decoder) throws {
    var fields = try decoder.unkeyedContainer()
    key = try fields.decode(String.self)
    shape = try fields.decode([Int].self)
    dtype = try fields.decode(String.self)
  }

  var description: String { "\(key) \(shape) \(dtype)" }
}

@Suite struct StateDicts {
  private static let small: Set<Architecture> = [.resnet8, .resnet20]

  @Test(arguments: Architecture.allCases.filter(\.isTransformer))
  func keysShapesTypesAndOrderAreTimms(architecture: Architecture) throws {
    let all: [String: [Row]] = try fixture("timm_state_dicts.json")
    let theirs = try #require(all[architecture.rawValue])
    let ours = EncoderSpec(arch: architecture, head: .linear(outputs: 1000)).tensors.map(Row.init)
    #expect(ours.count == theirs.count)
    #expect(ours == theirs)
  }

  @Test(arguments: Architecture.allCases.filter { !small.contains($0) && !$0.isTransformer })
  func keysShapesTypesAndOrderAreTorchvisions(architecture: Architecture) throws {
    let all: [String: [Row]] = try fixture("torchvision_state_dicts.json")
    let theirs = try #require(all[architecture.rawValue])
    let ours = EncoderSpec(arch: architecture, head: .linear(outputs: 1000)).tensors.map(Row.init)
    #expect(ours.count == theirs.count)
    #expect(ours == theirs)
  }

  @Test func theCIFARStemChangesOneShape() throws {
    let all: [String: [Row]] = try fixture("torchvision_state_dicts.json")
    let theirs = try #require(all["resnet18"])
    let ours = EncoderSpec(arch: .resnet18, stem: .cifar, head: .linear(outputs: 1000)).tensors.map(Row.init)
    #expect(ours.count == theirs.count)
    #expect(ours[0].key == "conv1.weight" && ours[0].shape == [64, 3, 3, 3])
    #expect(ours.dropFirst() == theirs.dropFirst())
  }

  /// As in the published MoCo v2 checkpoints.
  @Test func anMLPHeadHasTheKeysOfItsTwoLinearLayers() {
    let network = EncoderSpec(arch: .resnet18, head: .mlp(outputs: 128)).makeEncoder(
      using: Generator(seed: 1))
    let head = network.state.filter { $0.name.hasPrefix("fc") }
    #expect(head.map(\.name) == ["fc.0.weight", "fc.0.bias", "fc.2.weight", "fc.2.bias"])
    #expect(head.map(\.tensor.shape) == [[512, 512], [512], [128, 512], [128]])
  }

  @Test(arguments: [(Architecture.resnet8, 3), (.resnet20, 9)])
  func theSmallNetworksHaveThreeStagesOfBasicBlocks(architecture: Architecture, blocks: Int) {
    let network = EncoderSpec(arch: architecture, head: .linear(outputs: 10))
      .makeEncoder(using: Generator(seed: 1))
    let names = Set(network.state.map(\.name))
    #expect(!names.contains { $0.hasPrefix("layer4") })
    #expect(names.count { $0.hasSuffix("conv2.weight") } == blocks)
    #expect(
      Set(names.filter { $0.hasSuffix("downsample.0.weight") })
        == ["layer2.0.downsample.0.weight", "layer3.0.downsample.0.weight"])
    #expect((network.backbone as? ResNet)?.stem == .cifar)
    #expect(network.parameters.reduce(0) { $0 + $1.count } == parameterCount(blocksPerStage: blocks / 3))
  }

  /// Counted from He et al. 2016, section 4.2, with projections where the shape changes: for three blocks a
  /// stage 272,474 (the paper's 0.27 M).
  private func parameterCount(blocksPerStage: Int) -> Int {
    func convolution(_ inputs: Int, _ outputs: Int, _ kernel: Int) -> Int {
      inputs * outputs * kernel * kernel + 2 * outputs  // with the batch normalisation behind it
    }
    var count = convolution(3, 16, 3), inputs = 16
    for width in [16, 32, 64] {
      count += convolution(inputs, width, 3) + (2 * blocksPerStage - 1) * convolution(width, width, 3)
      if inputs != width { count += convolution(inputs, width, 1) }
      inputs = width
    }
    return count + 64 * 10 + 10
  }

  @Test func resnet20HasAsManyParametersAsThePaperSays() {
    #expect(parameterCount(blocksPerStage: 3) == 272_474)
  }
}

@Suite struct Features {
  @Test(
    arguments: zip(
      Architecture.allCases,
      [512, 512, 2048, 2048, 2048, 2048, 2048, 2048, 64, 64, 192, 384, 768, 384, 768]))
  func everyArchitectureNamesTheSizeOfItsFeatures(architecture: Architecture, size: Int) {
    #expect(architecture.featureSize == size)
  }

  @Test func featuresAndOutputsHaveTheSizesPromised() {
    let network = EncoderSpec(arch: .resnet8, head: .mlp(outputs: 5)).makeEncoder(using: Generator(seed: 1))
    let x = Tensor.normal([2, 3, 9, 7], using: Generator(seed: 2))  // odd sizes too
    #expect(network.features(x).shape == [2, 64])
    #expect(network(x).shape == [2, 5])
  }

  @Test func theCIFARStemKeepsTheResolutionAndTheOtherQuartersIt() {
    func sizes(_ stem: Stem) -> [[Int]] {
      let network = ResNet(.resnet18, stem: stem, using: Generator(seed: 1))
      let x = network.bn1.batchNormReLU(network.conv1(.ones([2, 3, 32, 32])))
      return [x.shape, network.layer2(network.layer1(x)).shape]
    }
    #expect(sizes(.cifar) == [[2, 64, 32, 32], [2, 128, 16, 16]])
    #expect(sizes(.imageNet)[0] == [2, 64, 16, 16])
  }
}
