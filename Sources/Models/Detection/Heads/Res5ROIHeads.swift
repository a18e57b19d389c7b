import Torch

/// The heads of a C4 detector: conv5 on 14×14 features of each box, batch normalisation without ReLU, and from the mean
/// over 7×7 classes and boxes (He et al. 2016; the normalisation: He et al. 2020, appendix A). The mask head sees the
/// normed map too; its masks are 14×14.
final class Res5ROIHeads: Module, ROIHeads {
  let res5: Res5
  let boxPredictor: FastRCNNOutputLayers
  let maskHead: MaskHead?
  let fastRCNN: FastRCNN
  private let pooler: ROIPooler

  init(_ spec: DetectorSpec, stride: Int, norm: ResNet.Norm, using generator: Generator) {
    res5 = Res5(spec.arch, norm: norm, using: generator)
    let channels = spec.arch.featureSize
    boxPredictor = FastRCNNOutputLayers(
      channels, classes: spec.classes, isClassAgnostic: spec.roi.isClassAgnostic, using: generator)
    maskHead =
      spec.hasMasks
      ? MaskHead(spec.maskHead, channels: channels, classes: spec.classes, norm: norm, using: generator) : nil
    fastRCNN = FastRCNN(spec)
    pooler = ROIPooler(outputSize: 14, strides: [stride])
  }

  /// The last stage of a ResNet and a normalisation.
  final class Res5: Module {
    let blocks: Sequential
    let norm: any BatchNormLayer

    init(_ arch: Architecture, norm: ResNet.Norm, using generator: Generator) {
      blocks = ResNet.stage(arch, 3, norm: norm, using: generator)
      self.norm = norm.makeLayer(arch.featureSize)
    }

    override func stateName(of property: String) -> String? {
      property == "blocks" ? nil : super.stateName(of: property)
    }

    /// R×C×14×14 → R×2C×7×7.
    override func forward(_ x: Tensor) -> Tensor { norm(blocks(x)) }
  }

  /// Of all images' boxes: R×2048×7×7.
  private func map(_ maps: [Tensor], boxes: [Tensor]) -> Tensor { res5(pooler(maps, boxes: boxes)) }

  func boxFeatures(_ maps: [Tensor], boxes: [Tensor]) -> Tensor {
    globalAveragePool2d(map(maps, boxes: boxes))
  }

  func losses(_ maps: [Tensor], _ regions: [SampledRegions], _ truth: [GroundTruth]) -> [(
    name: String, value: Tensor
  )] {
    let features = map(maps, boxes: regions.map(\.boxes))
    let losses = boxLosses(globalAveragePool2d(features), regions, truth)
    guard let maskHead else { return losses }
    var rows: [Int] = []  // of the foreground
    var start = 0
    for region in regions {
      rows += start..<start + region.foreground
      start += region.classes.count
    }
    let foreground = features.indexSelected(Tensor(rows, on: features.device))  // F×2048×7×7
    return losses + [("loss_mask", maskHead.loss(foreground, regions, truth))]
  }

  func detect(_ maps: [Tensor], _ proposals: [Proposals], images: [Size2D]) -> [Instances] {
    let found = boxes(boxFeatures(maps, boxes: proposals.map(\.boxes)), proposals, images: images)
    guard let maskHead else { return found }
    // The boxes have moved: conv5 sees them a second time.
    let classes = Tensor.concatenated(found.map(\.classes))
    let masks = maskHead.probabilities(map(maps, boxes: found.map(\.boxes)), classes: classes)
    return extended(found, masks: masks, keypoints: nil)
  }
}
