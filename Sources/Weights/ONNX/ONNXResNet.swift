import Models
import Torch

extension ONNXBuilder {
  /// A residual network from its normalised images to `features`; see `ResNet`.
  mutating func addResNet(_ spec: EncoderSpec, _ images: String) {
    let isSmall = spec.stemName == Stem.cifar.rawValue
    var x = convolved(
      images, "conv1", "bn1", stride: isSmall ? 1 : 2,
      padding: isSmall ? spec.stemPadding ?? Stem.cifarPadding : 3)
    x = add("Relu", [x])
    if !isSmall {
      x = add(
        "MaxPool", [x],
        [.ints("kernel_shape", [3, 3]), .ints("strides", [2, 2]), .ints("pads", [1, 1, 1, 1])])
    }
    for (stage, depth) in spec.arch.depths.enumerated() {
      for block in 0..<depth {
        x = residual(
          x, "layer\(stage + 1).\(block)", stride: stage > 0 && block == 0 ? 2 : 1, spec.arch)
      }
    }
    add("Flatten", [add("GlobalAveragePool", [x])], [.int("axis", 1)], to: "features")
  }

  /// relu(f(x) + shortcut(x)); the stride is on the first 3×3 convolution.
  private mutating func residual(_ x: String, _ name: String, stride: Int, _ arch: Architecture) -> String {
    var y = x
    switch arch.block {
    case .basic:
      y = convolved(y, "\(name).conv1", "\(name).bn1", stride: stride, padding: 1)
      y = convolved(add("Relu", [y]), "\(name).conv2", "\(name).bn2", padding: 1)
    case .bottleneck:
      y = add("Relu", [convolved(y, "\(name).conv1", "\(name).bn1")])
      y = convolved(
        y, "\(name).conv2", "\(name).bn2", stride: stride, padding: 1, groups: arch.groups)
      y = convolved(add("Relu", [y]), "\(name).conv3", "\(name).bn3")
    }
    let shortcut =
      has("\(name).downsample.0.weight")
      ? convolved(x, "\(name).downsample.0", "\(name).downsample.1", stride: stride) : x
    return add("Relu", [add("Add", [y, shortcut])])
  }

  /// A convolution without bias, of the weight's size, and its batch normalisation.
  mutating func convolved(
    _ x: String, _ convolution: String, _ norm: String, stride: Int = 1, padding: Int = 0, groups: Int = 1
  ) -> String {
    let weight = "\(convolution).weight"
    let y = add(
      "Conv", [x, self.weight(weight)],
      [
        .ints("kernel_shape", shape(weight).suffix(2).map(Int64.init)),
        .ints("strides", [Int64(stride), Int64(stride)]),
        .ints("pads", [Int64](repeating: Int64(padding), count: 4)), .int("group", Int64(groups)),
      ])
    let parts = ["weight", "bias", "running_mean", "running_var"].map { self.weight("\(norm).\($0)") }
    return add("BatchNormalization", [y] + parts, [.float("epsilon", Float(BatchNorm2d.epsilon))])
  }
}
