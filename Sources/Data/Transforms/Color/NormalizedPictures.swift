import Images
import Torch

extension Normalization {
  /// The pictures of a network's inputs. Levels are rounded, and those beyond 0 ... 255 become the nearest.
  /// - Parameter inputs: N×3×H×W.
  /// - Returns: N pictures; nil where a number is not finite.
  package func pictures(of inputs: Tensor) -> [RGBImage]? {
    let x = inputs.detached().to(.cpu).to(.float32)  // N×3×H×W
    let levels = levels(of: x).permuted([0, 2, 3, 1])  // N×H×W×3
    guard levels.isDefined, levels.isAllFinite() else { return nil }
    let (height, width) = (levels.shape[1], levels.shape[2])
    let bytes = (levels * 255).rounded().clamped(0, 255).to(.uint8).array(of: UInt8.self)
    let size = height * width * 3
    return stride(from: 0, to: bytes.count, by: size).map {
      RGBImage(width: width, height: height, pixels: Array(bytes[$0..<$0 + size]))
    }
  }
}
