import Torch

/// One feature vector and one class per image, in the images' order.
public struct LabelledFeatures {
  /// N×D, floating point.
  public let features: Tensor
  /// N classes, from 0.
  public let labels: [Int]

  public init(features: Tensor, labels: [Int]) {
    features.expect([labels.count, nil], "features of \(labels.count) labelled images")
    self.features = features
    self.labels = labels
  }

  /// Images: N.
  public var count: Int { labels.count }
}
