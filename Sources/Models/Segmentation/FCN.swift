import Torch

/// A fully convolutional network (Long et al. 2015) as MoCo's paper transfers to semantic segmentation (He et al. 2020,
/// appendix A): a ResNet whose conv5 keeps conv4's size by dilation, a head of two 3×3 convolutions, and logits of
/// stride 16 that are enlarged bilinearly.
///
///     let network = FCN(SegmenterSpec(classes: 21), using: Generator(seed: 0))
///     network.loss(network.preprocess(images), labels: labels).backward()
///     network.train(false)
///     let found = network.predict(network.preprocess(images))  // N×H×W bytes
///
/// In conv5 all 3×3 convolutions have dilation 2, the first block's too and both of a basic block's, as in the detectors
/// (``DetectorSpec/Detector/dc5``). torchvision's `replace_stride_with_dilation` leaves the first block's at 1, and has
/// none for basic blocks.
///
/// Names in the state: `backbone.` and torchvision's for the ResNet, `head.0`, `.1`, `.3`, `.4` and `.6`.
public final class FCN: Module {
  let backbone: ResNet
  let head: FCNHead
  public let spec: SegmenterSpec

  /// - Parameters:
  ///   - spec: all numbers. Norms over all ranks are plain until ``Torch/Module/synchronizeBatchNorm(over:)``.
  ///   - generator: draws the weights.
  public init(_ spec: SegmenterSpec, using generator: Generator) {
    if let problem = spec.problem { preconditionFailure(problem) }
    self.spec = spec
    backbone = ResNet(
      spec.arch, norm: spec.norm.layers, dilatesLastStage: true, frozenStages: spec.freezeAt, using: generator
    )
    head = FCNHead(spec, inputs: spec.arch.featureSize, using: generator)
  }

  /// Images as levels 0 ... 255 of any type, N×H×W×3: normalised, in the type and on the device of the weights.
  /// - Returns: N×3×H×W in channels-last memory.
  public func preprocess(_ pixels: Tensor) -> Tensor {
    pixels.expect([nil, nil, nil, 3], "pixels of a batch")
    let weight = head.classifier.weight.tensor
    return PixelNormalization.normalized(
      pixels, mean: spec.pixelMean, std: spec.pixelStd, dtype: weight.dtype, on: weight.device
    ).permuted([0, 3, 1, 2])
  }

  /// The logits as they are computed: N×3×H×W → N×C×⌈H/16⌉×⌈W/16⌉.
  public func smallLogits(_ images: Tensor) -> Tensor {
    images.expect([nil, 3, nil, nil], "images of a batch")
    let maps = backbone.featureMaps(images)
    return head(maps[maps.count - 1])
  }

  /// The logits of every pixel: N×3×H×W → N×C×H×W. They take much memory: ``loss(_:labels:)`` and
  /// ``predict(_:)`` do without.
  public override func forward(_ images: Tensor) -> Tensor {
    let logits = smallLogits(images)  // N×C×h×w
    guard logits.isDefined else { return logits }
    return interpolated(
      logits, height: images.shape[2], width: images.shape[3],
      mode: spec.alignCorners ? .bilinearAligningCorners : .bilinear)
  }

  /// The mean cross-entropy over the pixels that are not ignored; 0 where all are.
  /// - Parameters:
  ///   - images: N×3×H×W.
  ///   - labels: N×H×W int64 or uint8, below ``SegmenterSpec/classes`` or ``SegmenterSpec/ignoredLabel``.
  public func loss(_ images: Tensor, labels: Tensor) -> Tensor {
    enlargedCrossEntropy(
      smallLogits(images), labels, ignoring: spec.ignoredLabel, alignsCorners: spec.alignCorners)
  }

  /// The most likely class of every pixel, the lowest of equal ones, without a graph: N×3×H×W → N×H×W uint8. The
  /// network is in evaluation mode.
  public func predict(_ images: Tensor) -> Tensor {
    precondition(
      !isTraining, "a network in training mode normalises by the batch: train(false) before predict")
    return withNoGrad {
      let logits = smallLogits(images)  // N×C×h×w
      guard logits.isDefined else { return logits }
      return enlargedArgMax(
        logits, height: images.shape[2], width: images.shape[3], alignsCorners: spec.alignCorners)
    }
  }
}
