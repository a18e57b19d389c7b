import Torch

/// Two dilated 3×3 convolutions with batch normalisation and ReLU, and a 1×1 convolution to the classes (He et al. 2020,
/// appendix A; Chen et al. 2017, "Rethinking atrous convolution", for the dilation).
///
/// Its names in the state count the layers with the ReLUs, as a PyTorch `Sequential` does.
final class FCNHead: Module {
  let conv1: Conv2d
  let norm1: BatchNorm2d
  let conv2: Conv2d
  let norm2: BatchNorm2d
  let classifier: Conv2d

  init(_ spec: SegmenterSpec, inputs: Int, using generator: Generator) {
    func dilated(_ inputs: Int) -> Conv2d {
      Conv2d(
        inputs, spec.headChannels, kernel: 3, padding: spec.headDilation, dilation: spec.headDilation,
        using: generator)
    }
    conv1 = dilated(inputs)
    norm1 = BatchNorm2d(spec.headChannels)
    conv2 = dilated(spec.headChannels)
    norm2 = BatchNorm2d(spec.headChannels)
    // Small weights: at first every class is as likely as any other.
    classifier = Conv2d(spec.headChannels, spec.classes, kernel: 1, deviation: 0.01, using: generator)
  }

  private static let names = ["conv1": "0", "norm1": "1", "conv2": "3", "norm2": "4", "classifier": "6"]

  override func stateName(of property: String) -> String? { Self.names[property] }

  override func forward(_ x: Tensor) -> Tensor {
    let first = norm1.batchNormReLU(conv1(x))  // N×256×h×w
    let second = norm2.batchNormReLU(conv2(first))  // N×256×h×w
    return classifier(second)  // N×C×h×w
  }
}
