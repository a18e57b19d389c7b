/// The sizes of a residual network, as its tensors' shapes tell them.
public struct ResNetLayout: Equatable, Sendable {
  /// 7 for ImageNet's stem, 3 for that of small images.
  public let stemKernel: Int
  /// Channels of the first stage; each further stage has twice as many.
  public let width: Int
  /// Blocks of each stage.
  public let blocks: [Int]
  public let isBottleneck: Bool
  /// Channels of the first stage's second convolution.
  public let inner: Int
  /// Groups of that convolution.
  public let groups: Int

  public init(
    stemKernel: Int, width: Int, blocks: [Int], isBottleneck: Bool, inner: Int, groups: Int
  ) {
    self.stemKernel = stemKernel
    self.width = width
    self.blocks = blocks
    self.isBottleneck = isBottleneck
    self.inner = inner
    self.groups = groups
  }

  /// Size of the pooled features.
  public var featureSize: Int { (width << (blocks.count - 1)) * (isBottleneck ? 4 : 1) }

  /// Reads the sizes from shapes by torchvision's names; nil if they are no residual network's.
  ///
  /// Whether all tensors are there and fit is for ``tensors`` to say.
  public init?(shapes: [String: [Int]]) {
    guard let stem = shapes["conv1.weight"], stem.count == 4, [3, 7].contains(stem[2]),
      let first = shapes["layer1.0.conv1.weight"], first.count == 4,
      let second = shapes["layer1.0.conv2.weight"], second.count == 4,
      (1...65_536).contains(stem[0]), (1...65_536).contains(first[0]), second[1] > 0,
      first[0].isMultiple(of: second[1])
    else { return nil }
    let blocks = (1...4).map { stage in
      (0...).first { shapes["layer\(stage).\($0).conv1.weight"] == nil } ?? 0
    }
    let stages = blocks.firstIndex(of: 0) ?? blocks.count
    self.init(
      stemKernel: stem[2], width: stem[0], blocks: Array(blocks[..<stages]),
      isBottleneck: shapes["layer1.0.conv3.weight"] != nil, inner: first[0], groups: first[0] / second[1])
  }

  /// The tensors of the network up to the pooled features: torchvision's names, in its order.
  public var tensors: [(name: String, shape: [Int])] {
    var tensors: [(name: String, shape: [Int])] = []
    func convolution(_ name: String, _ norm: String, _ shape: [Int]) {
      tensors.append(("\(name).weight", shape))
      for part in ["weight", "bias", "running_mean", "running_var"] {
        tensors.append(("\(norm).\(part)", [shape[0]]))
      }
      tensors.append(("\(norm).\(Self.counter)", []))
    }
    convolution("conv1", "bn1", [width, 3, stemKernel, stemKernel])
    var inputs = width
    for (stage, count) in blocks.enumerated() {
      let (width, inner) = (width << stage, inner << stage)
      let outputs = isBottleneck ? width * 4 : width
      for index in 0..<count {
        let block = "layer\(stage + 1).\(index)"
        if isBottleneck {
          convolution("\(block).conv1", "\(block).bn1", [inner, inputs, 1, 1])
          convolution("\(block).conv2", "\(block).bn2", [inner, inner / groups, 3, 3])
          convolution("\(block).conv3", "\(block).bn3", [outputs, inner, 1, 1])
        } else {
          convolution("\(block).conv1", "\(block).bn1", [width, inputs, 3, 3])
          convolution("\(block).conv2", "\(block).bn2", [width, width, 3, 3])
        }
        if index == 0, stage > 0 || inputs != outputs {
          convolution("\(block).downsample.0", "\(block).downsample.1", [outputs, inputs, 1, 1])
        }
        inputs = outputs
      }
    }
    return tensors
  }

  /// A batch normalisation's count of steps, which old PyTorch and others do not write.
  static let counter = "num_batches_tracked"
}
