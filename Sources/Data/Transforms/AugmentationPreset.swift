import Torch

/// The published augmentations. A new one is a case here and its views below.
public enum AugmentationPreset: String, Codable, Sendable, Equatable, CaseIterable {
  /// MoCo v1 (He et al. 2020, section 3.3, after Wu et al. 2018).
  case v1
  /// MoCo v2 (Chen et al. 2020, "aug+").
  case v2
  /// MoCo v3 (Chen, Xie, He 2021): the first view always blurred; the second seldom, and sometimes solarized. Crops
  /// from 0.2, as for a ResNet; for a ViT they begin at 0.08.
  case v3
  /// The CIFAR-10 demo of the published code. Here the flip comes before the colour.
  case cifar
  /// Masked auto-encoders (He et al. 2021): one view, cropped and flipped, no colour, by cubic convolution.
  case mae
  /// Masked images with a momentum encoder (Huang et al. 2022): the query as for masked auto-encoders, its key with v2's
  /// colour and blur.
  case mocoMAE = "moco-mae"
  /// Small gray pictures (Fashion-MNIST): colour that does not change gray is left out.
  case demo

  /// The operations of each view, in order.
  private var views: [[TransformOp]] {
    switch self {
    case .v1:
      both([
        .crop(scale: 0.2...1),
        .grayscale(probability: 0.2),
        .jitter(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.4, probability: 1),
        .flip(probability: 0.5),
      ])
    case .v2: both(Self.coloured)
    case .mae: [Self.cropped]
    case .mocoMAE: [Self.cropped, Self.coloured]
    case .v3:
      [(blur: 1.0, solarize: 0.0), (blur: 0.1, solarize: 0.2)].map { view in
        [
          .crop(scale: 0.2...1),
          .jitter(brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1, probability: 0.8),
          .grayscale(probability: 0.2),
          .blur(sigma: 0.1...2, probability: view.blur),
          .solarize(probability: view.solarize),
          .flip(probability: 0.5),
        ]
      }
    case .cifar:
      both([
        .crop(scale: 0.08...1),
        .flip(probability: 0.5),
        .jitter(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8),
        .grayscale(probability: 0.2),
      ])
    case .demo:
      both([
        .crop(scale: 0.4...1),
        .flip(probability: 0.5),
        .jitter(brightness: 0.4, contrast: 0.4, saturation: 0, hue: 0, probability: 0.8),
      ])
    }
  }

  /// v2's view.
  private static let coloured: [TransformOp] = [
    .crop(scale: 0.2...1),
    .jitter(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8),
    .grayscale(probability: 0.2),
    .blur(sigma: 0.1...2, probability: 0.5),
    .flip(probability: 0.5),
  ]
  /// A masked auto-encoder's.
  private static let cropped: [TransformOp] = [.crop(scale: 0.2...1), .flip(probability: 0.5)]

  /// The number of views of an image.
  public var count: Int { views.count }

  /// The filter of the crops' resizing.
  private var interpolation: Interpolation {
    switch self {
    case .mae, .mocoMAE: .bicubic
    case .v1, .v2, .v3, .cifar, .demo: .bilinear
    }
  }

  public var normalization: Normalization {
    switch self {
    case .v1, .v2, .v3, .mae, .mocoMAE: .imageNet
    case .cifar, .demo: .cifar
    }
  }

  private func both(_ steps: [TransformOp]) -> [[TransformOp]] { [steps, steps] }

  /// Its views.
  ///
  /// - Parameters:
  ///   - imageSize: Pixels of a view's side.
  ///   - cropScale: The smallest share of the image that a crop takes; as published unless given.
  public func transform(imageSize: Int, cropScale: Double? = nil) -> MultiViewTransform {
    MultiViewTransform(
      views.map { steps in
        let view = Transform(
          imageSize: imageSize, steps: steps, normalization: normalization, interpolation: interpolation)
        return cropScale.map { view.cropping(from: $0) } ?? view
      })
  }
}
