import Torch

/// The normalisation of images whose levels are 0 ... 255.
enum PixelNormalization {
  /// ImageNet's mean and standard deviation of red, green and blue, as detectron2 writes them.
  static let mean = [123.675, 116.28, 103.53]
  static let std = [58.395, 57.12, 57.375]

  /// A sentence about numbers that no spec can have; nil where there are none.
  static func problem(mean: [Double], std: [Double]) -> String? {
    guard mean.count == 3, mean.allSatisfy((0...255).contains) else {
      return "pixel-mean \(mean): three levels, 0 to 255."
    }
    return std.count == 3 && std.allSatisfy({ $0 > 0 && $0 <= 255 })
      ? nil : "pixel-std \(std): three numbers above 0 and up to 255."
  }

  /// (levels − mean) / std of …×3 levels of any type, in the type of `dtype`.
  static func normalized(
    _ levels: Tensor, mean: [Double], std: [Double], dtype: DType, on device: Device
  ) -> Tensor {
    let (mean, std) = (Tensor(mean).to(dtype).to(device), Tensor(std).to(dtype).to(device))
    return withNoGrad { (levels.to(device).to(dtype) - mean) / std }
  }
}
