import Torch

/// Masks of every class at twice the size of a box's pooled features: 3×3 convolutions with ReLU, a transposed 2×2
/// convolution of stride 2 with ReLU, and a 1×1 (He et al. 2017, figure 4).
final class MaskHead: Module {
  let maskFcns: [ConvNorm]
  let deconv: ConvTranspose2d
  let predictor: Conv2d

  init(
    _ spec: DetectorSpec.MaskHead, channels: Int, classes: Int, norm: ResNet.Norm,
    using generator: Generator
  ) {
    var inputs = channels
    maskFcns = (0..<spec.convolutions).map { _ in
      defer { inputs = spec.channels }
      return ConvNorm(
        Conv2d(inputs, spec.channels, kernel: 3, padding: 1, bias: !spec.hasNorm, using: generator),
        norm: spec.hasNorm ? norm : nil, hasReLU: true)
    }
    deconv = ConvTranspose2d(inputs, spec.channels, kernel: 2, stride: 2, using: generator)
    predictor = Conv2d(spec.channels, classes, kernel: 1, deviation: 0.001, using: generator)
  }

  /// R×C×h×w → R×classes×2h×2w.
  override func forward(_ x: Tensor) -> Tensor {
    let hidden = maskFcns.reduce(x) { $1($0) }  // R×256×h×w
    return predictor(reluInPlace(deconv(hidden)))
  }

  /// The mean cross-entropy, over boxes and pixels, of the true class's masks.
  /// - Parameters:
  ///   - features: of the foreground boxes of all images, F×C×h×w.
  ///   - regions: of the images.
  ///   - truth: of the images, with masks.
  func loss(_ features: Tensor, _ regions: [SampledRegions], _ truth: [GroundTruth]) -> Tensor {
    guard features.isDefined, features.shape[0] > 0 else { return zeroLoss }
    let logits = self(features)
    let targets = zip(regions, truth).map { region, truth in
      maskTargets(
        region.matches.map { truth.masks[$0] }, boxes: region.foregroundBoxes, side: logits.shape.last ?? 0)
    }
    return maskLoss(
      logits, classes: regions.flatMap(\.foregroundClasses), targets: Tensor.concatenated(targets))
  }

  /// The probabilities of the found classes' pixels: R×C×h×w → R×2h×2w.
  /// - Parameter classes: R int64.
  func probabilities(_ features: Tensor, classes: Tensor) -> Tensor {
    guard features.isDefined, features.shape[0] > 0 else {
      let side = features.shape.last ?? 0
      return .zeros([0, 2 * side, 2 * side], dtype: features.dtype, on: features.device)
    }
    let logits = self(features)  // R×C×2h×2w
    return ofClasses(logits, classes).sigmoid()
  }
}

/// The map of each row's class: R×C×h×w → R×h×w.
private func ofClasses(_ logits: Tensor, _ classes: Tensor) -> Tensor {
  guard logits.isDefined else { return logits }
  let (count, height, width) = (logits.shape[1], logits.shape[2], logits.shape[3])
  let rows = Tensor.arange(logits.shape[0], on: logits.device)
  let cells = rows * Tensor.full(Double(count), [], dtype: .int64, on: logits.device) + classes
  return logits.reshaped([-1, height, width]).indexSelected(cells)
}

/// The mean over boxes and pixels of the cross-entropy between the true class's masks and targets.
/// - Parameters:
///   - logits: F×C×m×m, F above 0.
///   - targets: F×m×m, 0 or 1.
func maskLoss(_ logits: Tensor, classes: [Int], targets: Tensor) -> Tensor {
  let own = ofClasses(logits, Tensor(classes, on: logits.device))  // F×m×m
  return binaryCrossEntropyWithLogits(own, targets.to(own.dtype).to(own.device)) / Double(targets.count)
}

/// Masks cut out by boxes, on a grid over each box: R×side×side uint8, 1 inside.
///
/// A polygon is moved and scaled into the box and filled by COCO's rasteriser. Run lengths are sampled by RoIAlign; half
/// a pixel counts as inside.
/// - Parameter boxes: R×4.
func maskTargets(_ masks: [InstanceMask], boxes: Tensor, side: Int) -> Tensor {
  precondition(
    !boxes.isDefined || masks.count == boxes.shape[0], "\(masks.count) masks for \(boxes.shape) boxes")
  let corners = boxes.array(of: Double.self)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(masks.count * side * side)
  for (index, mask) in masks.enumerated() {
    let box = Array(corners[4 * index..<4 * index + 4])
    switch mask {
    case .polygons(let polygons):
      // Of a box thinner than 0.1 pixels as of one that wide.
      let x = Double(side) / max(box[2] - box[0], 0.1), y = Double(side) / max(box[3] - box[1], 0.1)
      let moved = polygons.map { polygon in
        polygon.enumerated().map { $0.isMultiple(of: 2) ? ($1 - box[0]) * x : ($1 - box[1]) * y }
      }
      bytes += RunLengthMask(polygons: moved, height: side, width: side).bitmap()
    case .runLengths(let runs):
      bytes += cut(runs, box, side: side)
    }
  }
  return Tensor(bytes, shape: [masks.count, side, side])
}

private func cut(_ runs: RunLengthMask, _ box: [Double], side: Int) -> [UInt8] {
  let bitmap = Tensor(runs.bitmap(), shape: [1, 1, runs.height, runs.width]).to(.float32)
  let region = Tensor([0] + box, shape: [1, 5]).to(.float32)
  let shares = roiAlign(bitmap, boxes: region, outputSize: Size2D(side), spatialScale: 1)  // 1×1×side×side
  return (shares .>= 0.5).to(.uint8).array(of: UInt8.self)
}

extension Module {
  /// 0, with a gradient of zeros for every parameter: the loss of a head without foreground.
  var zeroLoss: Tensor { parameters.reduce(Tensor.zeros([])) { $0 + $1.sum() * 0 } }
}
