import Torch

/// Heat maps of keypoints at four times the size of a box's pooled features: 3×3 convolutions with ReLU, a transposed
/// 4×4 convolution of stride 2, and bilinear enlargement by 2 (He et al. 2017, section 5).
final class KeypointHead: Module {
  let convFcns: [Conv2d]
  let scoreLowres: ConvTranspose2d

  init(_ spec: DetectorSpec.KeypointHead, channels: Int, keypoints: Int, using generator: Generator) {
    var inputs = channels
    convFcns = (0..<spec.convolutions).map { _ in
      defer { inputs = spec.channels }
      return Conv2d(inputs, spec.channels, kernel: 3, padding: 1, bias: true, using: generator)
    }
    scoreLowres = ConvTranspose2d(inputs, keypoints, kernel: 4, stride: 2, padding: 1, using: generator)
  }

  /// R×C×14×14 → R×K×56×56.
  override func forward(_ x: Tensor) -> Tensor {
    let hidden = convFcns.reduce(x) { reluInPlace($1($0)) }  // R×512×14×14
    return interpolated(scoreLowres(hidden), scale: 2, mode: .bilinear)
  }

  /// The cross-entropy over the places of a map, its mean over the visible keypoints.
  /// - Parameters:
  ///   - features: of the boxes of all images, F×C×14×14.
  ///   - regions: of the images, those with a visible keypoint only: F boxes in all.
  ///   - truth: of the images, with keypoints.
  func loss(_ features: Tensor, _ regions: [SampledRegions], _ truth: [GroundTruth]) -> Tensor {
    guard features.isDefined, features.shape[0] > 0 else { return zeroLoss }
    let logits = self(features)  // F×K×56×56
    let targets = zip(regions, truth).map { region, truth in
      KeypointTargets(
        region.keypoints(truth), boxes: region.foregroundBoxes, side: logits.shape.last ?? 0)
    }
    return keypointLoss(logits, targets)
  }

  /// The keypoints of found objects: x, y and score, R×K×3.
  /// - Parameters:
  ///   - features: R×C×14×14.
  ///   - boxes: R×4.
  func keypoints(_ features: Tensor, boxes: Tensor) -> Tensor {
    guard features.isDefined, features.shape[0] > 0 else {
      let count = scoreLowres.weight.tensor.shape[1]
      return .zeros([0, count, 3], dtype: boxes.dtype, on: boxes.device)
    }
    return decodeKeypoints(self(features), boxes: boxes)
  }
}

extension SampledRegions {
  /// The keypoints of the foreground's objects: F×K×3.
  func keypoints(_ truth: GroundTruth) -> Tensor {
    guard let keypoints = truth.keypoints else {
      preconditionFailure("a keypoint head learns from a truth without keypoints")
    }
    return keypoints.to(boxes.dtype).indexSelected(Tensor(matches))
  }

  /// The foreground boxes that contain a visible keypoint of their object.
  func withVisibleKeypoints(_ truth: GroundTruth) -> SampledRegions {
    guard foreground > 0 else { return keeping([]) }
    let points = keypoints(truth)  // F×K×3
    let (low, high) = (
      foregroundBoxes.narrowed(0..<2, dim: 1).reshaped([foreground, 1, 2]),
      foregroundBoxes.narrowed(2..<4, dim: 1).reshaped([foreground, 1, 2])
    )
    let places = points.narrowed(0..<2, dim: 2)  // F×K×2
    let isInside = ((places .>= low) .& (places .<= high)).min(dim: 2)  // F×K
    let isSeen = (isInside .& (points.selected(2, dim: 2) .>= 1)).max(dim: 1)  // F
    return keeping(isSeen.nonzero().reshaped([-1]).array(of: Int.self))
  }
}

/// The place of each keypoint on the grid over its box, of an image.
struct KeypointTargets {
  let cells: Tensor  // R×K int64, row · side + column; 0 of those that do not count
  /// Whether it is visible and lies in the box.
  let isValid: Tensor  // R×K bool

  /// - Parameters:
  ///   - keypoints: R×K×3.
  ///   - boxes: R×4. A keypoint on the right or lower edge lies in the last column or row.
  init(_ keypoints: Tensor, boxes: Tensor, side: Int) {
    let count = boxes.isDefined ? boxes.shape[0] : 0
    func axis(_ index: Int) -> Tensor {
      let low = boxes.selected(index, dim: 1).reshaped([count, 1])
      let high = boxes.selected(index + 2, dim: 1).reshaped([count, 1])
      let place = keypoints.selected(index, dim: 2)  // R×K
      let scale = Tensor.full(Double(side), [], dtype: boxes.dtype) / (high - low)  // R×1
      let cell = ((place - low) * scale).floor()
      return Tensor.where(place .== high, .full(Double(side - 1), [], dtype: cell.dtype), cell)
    }
    let (x, y) = (axis(0), axis(1))
    let isInside = (x .>= 0) .& (y .>= 0) .& (x .< Double(side)) .& (y .< Double(side))
    isValid = isInside .& (keypoints.selected(2, dim: 2) .> 0)
    cells = Tensor.where(isValid, y * Double(side) + x, .full(0, [], dtype: x.dtype)).to(.int64)
  }
}

/// The sum of the cross-entropies of the valid keypoints' places, divided by their number.
/// - Parameters:
///   - logits: R×K×side×side.
///   - targets: of the images, R boxes in all.
///   - normalizer: another divisor.
func keypointLoss(_ logits: Tensor, _ targets: [KeypointTargets], normalizer: Double? = nil) -> Tensor {
  guard logits.isDefined else { return logits }
  let cells = Tensor.concatenated(targets.map(\.cells)).reshaped([-1])  // R·K
  let valid = Tensor.concatenated(targets.map(\.isValid)).reshaped([-1]).nonzero().reshaped([-1])
  guard valid.isDefined, valid.count > 0 else { return logits.sum() * 0 }
  let maps = logits.reshaped([logits.shape[0] * logits.shape[1], -1])
    .indexSelected(valid.to(logits.device))  // V×side²
  let mean = crossEntropy(maps, cells.indexSelected(valid).to(logits.device))
  return normalizer.map { mean * (Double(valid.count) / $0) } ?? mean
}

/// The keypoints in heat maps: the largest place of each map after bicubic enlargement to the box's size in whole pixels.
/// - Parameters:
///   - maps: logits, R×K×56×56, R above 0.
///   - boxes: R×4.
/// - Returns: x, y and score of each, R×K×3. The score is the place's share of the softmax over the map.
func decodeKeypoints(_ maps: Tensor, boxes: Tensor) -> Tensor {
  guard maps.isDefined, boxes.isDefined else { return maps }
  let (count, keypoints) = (maps.shape[0], maps.shape[1])
  let corners = boxes.array(of: Double.self)
  let found = (0..<count).map { index -> Tensor in
    let box = corners[4 * index..<4 * index + 4].map(\.self)
    let (width, height) = (max(box[2] - box[0], 1), max(box[3] - box[1], 1))
    let (columns, rows) = (Int(width.rounded(.up)), Int(height.rounded(.up)))
    let map = maps.narrowed(index..<index + 1)  // 1×K×56×56
    let large = interpolated(map, height: rows, width: columns, mode: .bicubic).reshaped([keypoints, -1])
    let best = large.max(dim: 1, keepDim: true)  // K×1
    let sum = (map.reshaped([keypoints, -1]) - best).exp().sum(dim: 1)  // K
    let places = large.argMax(dim: 1).to(.float64)  // K; exact up to 2⁵³
    let row = (places / Double(columns)).floor()
    let x = (places - row * Double(columns) + 0.5) * (width / Double(columns)) + box[0]
    let y = (row + 0.5) * (height / Double(rows)) + box[1]
    return Tensor.stacked([x, y, sum.to(.float64).pow(-1)], dim: 1)  // K×3
  }
  return Tensor.stacked(found).to(boxes.dtype)
}
