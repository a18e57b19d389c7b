import Torch

/// Images of one step: normalised, and padded with zeros to a common size.
public struct ImageBatch {
  public let tensor: Tensor  // N×3×H×W
  /// Of each image without its padding.
  public let sizes: [Size2D]

  public init(tensor: Tensor, sizes: [Size2D]) {
    tensor.expect([sizes.count, 3, nil, nil], "images of a batch")
    (self.tensor, self.sizes) = (tensor, sizes)
  }

  /// Pads on the right and below, up to the largest image, rounded up to a multiple of `divisor`.
  /// - Parameters:
  ///   - images: levels 0 ... 255, h×w×3 each, of any type.
  ///   - side: if given, the batch has this height and width, and no image is larger.
  init(
    _ images: [Tensor], mean: [Double], std: [Double], divisor: Int, side: Int? = nil, dtype: DType,
    on device: Device
  ) {
    let sizes = images.map { image in
      image.expect([nil, nil, 3], "an image")
      return image.isDefined ? Size2D(height: image.shape[0], width: image.shape[1]) : Size2D(1)
    }
    func padded(_ lengths: [Int]) -> Int {
      let longest = lengths.max() ?? 1
      if let side { precondition(longest <= side, "an image of \(longest) pixels for a side of \(side)") }
      return side ?? (longest + divisor - 1) / divisor * divisor
    }
    let (height, width) = (padded(sizes.map(\.height)), padded(sizes.map(\.width)))
    let pixels = Tensor.zeros([images.count, height, width, 3], dtype: dtype, on: device)
    withNoGrad {
      for (index, (image, size)) in zip(images, sizes).enumerated() {
        let own = PixelNormalization.normalized(image, mean: mean, std: std, dtype: dtype, on: device)
        pixels.selected(index).narrowed(0..<size.height).narrowed(0..<size.width, dim: 1).copy(from: own)
      }
    }
    self.init(tensor: pixels.permuted([0, 3, 1, 2]), sizes: sizes)  // N×3×H×W in channels-last memory
  }
}

/// The objects of an image, in pixels of the network's input. All tensors are in the CPU's memory.
public struct GroundTruth {
  public let boxes: Tensor  // M×4: x0, y0, x1, y1
  public let classes: Tensor  // M int64
  /// One an object; empty where no masks are learned.
  public let masks: [InstanceMask]
  /// x, y and visibility (0 unlabelled, 1 hidden, 2 visible).
  public let keypoints: Tensor?  // M×K×3

  public init(boxes: Tensor, classes: Tensor, masks: [InstanceMask] = [], keypoints: Tensor? = nil) {
    boxes.expect([nil, 4], "boxes of the ground truth")
    if boxes.isDefined {
      classes.expect([boxes.shape[0]], "classes of the ground truth")
      keypoints?.expect([boxes.shape[0], nil, 3], "keypoints of the ground truth")
      precondition(
        masks.isEmpty || masks.count == boxes.shape[0], "\(masks.count) masks for \(boxes.shape[0]) objects")
    }
    (self.boxes, self.classes, self.masks, self.keypoints) = (boxes, classes, masks, keypoints)
  }

  var count: Int { boxes.isDefined ? boxes.shape[0] : 0 }
}

/// Objects that were found in an image, by falling score.
public struct Instances {
  /// Of the image that the boxes are in.
  public let size: Size2D
  public let boxes: Tensor  // R×4
  public let scores: Tensor  // R
  public let classes: Tensor  // R int64
  /// Probabilities on a grid over the box.
  public let masks: Tensor?  // R×28×28; 14×14 of C4
  /// x, y and score.
  public let keypoints: Tensor?  // R×K×3

  public init(
    size: Size2D, boxes: Tensor, scores: Tensor, classes: Tensor, masks: Tensor? = nil,
    keypoints: Tensor? = nil
  ) {
    (self.size, self.boxes, self.scores, self.classes) = (size, boxes, scores, classes)
    (self.masks, self.keypoints) = (masks, keypoints)
  }

  public var count: Int { boxes.isDefined ? boxes.shape[0] : 0 }

  /// The same in an image of another size: boxes are scaled and cut off at its edges, and objects without area left out.
  public func scaled(to image: Size2D) -> Instances {
    let x = Double(image.width) / Double(size.width), y = Double(image.height) / Double(size.height)
    func factors(_ values: [Double]) -> Tensor { Tensor(values).to(boxes.dtype).to(boxes.device) }
    let moved = (boxes * factors([x, y, x, y])).clipped(to: image)
    let kept = moved.isNonempty().nonzero().reshaped([-1])
    return Instances(
      size: image, boxes: moved.indexSelected(kept), scores: scores.indexSelected(kept),
      classes: classes.indexSelected(kept), masks: masks?.indexSelected(kept),
      keypoints: keypoints.map { $0.indexSelected(kept) * factors([x, y, 1]) })
  }

  /// The masks at the image's size: R×height×width uint8, 1 inside; nil without masks.
  public func pastedMasks(threshold: Double = 0.5) -> Tensor? {
    masks.map { pasteMasks($0, boxes: boxes, height: size.height, width: size.width, threshold: threshold) }
  }
}
