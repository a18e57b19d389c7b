import Torch

/// Objectness and box deltas of every anchor of a map: a 3×3 convolution, ReLU, and two 1×1. All levels share it.
public final class RPNHead: Module {
  let conv: Conv2d
  let objectnessLogits: Conv2d
  let anchorDeltas: Conv2d

  /// Weights are drawn from N(0, 0.01²).
  init(_ channels: Int, anchors: Int, using generator: Generator) {
    conv = Conv2d(channels, channels, kernel: 3, padding: 1, deviation: 0.01, using: generator)
    objectnessLogits = Conv2d(channels, anchors, kernel: 1, deviation: 0.01, using: generator)
    anchorDeltas = Conv2d(channels, 4 * anchors, kernel: 1, deviation: 0.01, using: generator)
  }

  /// N×C×H×W → N×A×H×W and N×4A×H×W; an anchor's dx, dy, dw, dh follow one another.
  func predict(_ map: Tensor) -> (objectness: Tensor, deltas: Tensor) {
    let hidden = reluInPlace(conv(map))  // N×C×H×W
    return (objectnessLogits(hidden), anchorDeltas(hidden))
  }
}
