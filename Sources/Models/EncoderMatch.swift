/// The network that a file's tensors belong to, recognised by their names and shapes among all of ``Architecture``.
///
///     let match = EncoderMatch(shapes: shapes)  // ["conv1.weight": [64, 3, 7, 7], …]
///     match?.spec.arch                          // .resnet50
public struct EncoderMatch: Sendable {
  /// The network, with the head that the file has. The number of attention heads cannot be read from shapes.
  public let spec: EncoderSpec
  /// The network's tensors, the head's too, in its order.
  public let tensors: [TensorSpec]
  /// Tensors that the file lacks; without counters, which may be absent.
  public let missing: [TensorSpec]
  /// Tensors that have another shape in the file.
  public let misshapen: [TensorSpec]
  /// Tensors of the file that stand among the network's layers without being its own; sorted.
  public let foreign: [String]

  /// Whether so much of the network fits that it is this one, perhaps damaged, and not an unknown one.
  public var isClose: Bool { (missing.count + misshapen.count) * 10 <= tensors.count }

  private var rank: Int { tensors.count - 2 * (missing.count + misshapen.count) - foreign.count }

  /// Finds the network that fits best, with its stem, image size and head; nil where not even the first tensor of one
  /// is there.
  /// - Parameter shapes: of an encoder's tensors, by torchvision's or timm's names.
  public init?(shapes: [String: [Int]]) {
    let known = Architecture.allCases.compactMap { EncoderSpec($0, shapes: shapes) }
    // A whole network is found among a few; only a damaged one is compared with all.
    let likely = known.filter { $0.arch.hasBlocks(of: shapes) }.map { EncoderMatch($0, shapes: shapes) }
    let isWhole = likely.contains { $0.missing.isEmpty && $0.misshapen.isEmpty && $0.foreign.isEmpty }
    let matches = isWhole ? likely : known.map { EncoderMatch($0, shapes: shapes) }
    guard let best = matches.max(by: { $0.rank < $1.rank }) else { return nil }
    var spec = best.spec
    spec.head = Head(shapes: shapes, named: spec.arch.headName, inputs: spec.arch.featureSize)
    self.init(spec, shapes: shapes)
  }

  private init(_ spec: EncoderSpec, shapes: [String: [Int]]) {
    (self.spec, tensors) = (spec, spec.tensors)
    missing = tensors.filter { shapes[$0.name] == nil && !$0.isCounter }
    misshapen = tensors.filter { tensor in shapes[tensor.name].map { $0 != tensor.shape } ?? false }
    let (own, layers) = (Set(tensors.map(\.name)), Set(tensors.map { EncoderMatch.layer($0.name) }))
    foreign = shapes.keys.filter { !own.contains($0) && layers.contains(EncoderMatch.layer($0)) }.sorted()
  }

  /// `layer` of `layer4.1.conv1.weight`: a further stage is of the same kind.
  private static func layer(_ name: String) -> Substring {
    let first = name.prefix { $0 != "." }
    return first.prefix(first.count - first.reversed().prefix { $0.isNumber }.count)
  }
}

extension Architecture {
  /// Whether each stage of a residual network has as many blocks as the tensors have.
  fileprivate func hasBlocks(of shapes: [String: [Int]]) -> Bool {
    func exists(_ stage: Int, _ block: Int) -> Bool { shapes["layer\(stage).\(block).conv1.weight"] != nil }
    return !exists(depths.count + 1, 0)
      && zip(1..., depths).allSatisfy { exists($0, $1 - 1) && !exists($0, $1) }
  }
}

extension EncoderSpec {
  /// The variant of a network that a file's tensors suggest; nil where its first tensor is not among them.
  fileprivate init?(_ arch: Architecture, shapes: [String: [Int]]) {
    if arch.isTransformer {
      guard shapes["cls_token"] != nil else { return nil }
      // Other libraries have networks as wide as the small one with larger patches; those are unknown, not damaged.
      guard arch != .vitMini || [nil, arch.patchSize].contains(VisionTransformer.patchSize(shapes: shapes))
      else {
        return nil
      }
      self.init(arch: arch, imageSize: VisionTransformer.imageSize(shapes: shapes) ?? 224)
    } else {
      guard let convolution = shapes["conv1.weight"] else { return nil }
      let isSmall = convolution.last == 3
      self.init(
        arch: arch, stem: isSmall ? .cifar : .imageNet, imageSize: isSmall ? 32 : 224,
        normalization: isSmall ? .cifar : .imageNet)
    }
  }
}
