import Torch

/// One feature vector and one class per image, in the images' order.
package struct LabelledFeatures {
  /// N×D, floating point.
  package let features: Tensor
  /// N classes, from 0.
  package let labels: [Int]

  package init(features: Tensor, labels: [Int]) {
    features.expect([labels.count, nil], "features of \(labels.count) labelled images")
    self.features = features
    self.labels = labels
  }

  /// The number of images, N.
  package var count: Int { labels.count }
}
