/// The mean and standard deviation of each channel, for levels from 0 to 1.
public struct Normalization: Codable, Sendable, Equatable {
  /// Red, green, blue.
  public var mean: [Double]
  public var std: [Double]

  public init(mean: [Double], std: [Double]) {
    self.mean = mean
    self.std = std
  }

  public static let imageNet = Normalization(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
  public static let cifar = Normalization(mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.2010])
}

extension Normalization {
  /// Levels 0 … 1 as a network's input: N×C×H×W with C = 3, or C = 1 for the same level in all three → N×3×H×W.
  public func normalized(_ levels: Tensor) -> Tensor {
    (levels - channels(mean, like: levels)) / channels(std, like: levels)
  }

  /// The levels of a network's input: N×3×H×W → N×3×H×W, 0 … 1 but for rounding.
  public func levels(of x: Tensor) -> Tensor { x * channels(std, like: x) + channels(mean, like: x) }

  /// 3×1×1.
  private func channels(_ values: [Double], like x: Tensor) -> Tensor {
    Tensor(values, shape: [3, 1, 1]).to(x.dtype).to(x.device)
  }
}
