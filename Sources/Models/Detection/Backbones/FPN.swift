import Torch

/// The feature pyramid (Lin et al. 2017, section 3): of every stage of a ResNet a 1×1 convolution, plus the coarser level
/// twice as large, and a 3×3 convolution. A fifth level, every second place of the fourth, is for proposals only.
public final class FPN: Module, DetectorBackbone {
  let laterals: [ConvNorm]  // of conv2 to conv5
  let outputs: [ConvNorm]
  let bottomUp: ResNet
  let channels: Int
  let strides = [4, 8, 16, 32, 64]
  let pooledLevels = 4
  let divisor = 32

  init(_ spec: DetectorSpec, norm: ResNet.Norm, using generator: Generator) {
    let hasNorm = spec.fpn.hasNorm
    let channels = spec.fpn.channels
    func layer(_ inputs: Int, kernel: Int) -> ConvNorm {
      ConvNorm(
        Conv2d(
          byFanIn: inputs, channels, kernel: kernel, padding: kernel / 2, bias: !hasNorm, using: generator),
        norm: hasNorm ? norm : nil)
    }
    laterals = (0..<4).map { layer(spec.arch.channels(ofStage: $0), kernel: 1) }
    outputs = (0..<4).map { _ in layer(channels, kernel: 3) }
    bottomUp = spec.makeResNet(stages: 4, norm: norm, using: generator)
    self.channels = channels
  }

  /// P2 to P6: N×3×H×W → N×256×H/4×W/4 to N×256×H/64×W/64. H and W are multiples of 32.
  func maps(_ x: Tensor) -> [Tensor] {
    let stages = bottomUp.featureMaps(x)  // C2 to C5
    var levels: [Tensor] = []
    var above: Tensor?
    for stage in stages.indices.reversed() {
      let lateral = laterals[stage](stages[stage])  // N×256×h×w
      let merged = above.map { lateral + interpolated($0, scale: 2, mode: .nearest) } ?? lateral
      levels.insert(outputs[stage](merged), at: 0)
      above = merged
    }
    return levels + levels.suffix(1).map { maxPool2d($0, kernel: 1, stride: 2, padding: 0) }  // P6
  }
}
