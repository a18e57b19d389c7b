// The published augmentations, step by step.

extension Transform {
  /// MoCo v1 (He et al. 2020, section 3.3, after Wu et al. 2018).
  public static func v1(imageSize: Int = 224) -> Transform {
    Transform(
      imageSize: imageSize,
      steps: [
        .crop(scale: 0.2...1),
        .grayscale(probability: 0.2),
        .jitter(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.4, probability: 1),
        .flip(probability: 0.5),
      ],
      normalization: .imageNet)
  }

  /// MoCo v2 (Chen et al. 2020, "aug+").
  public static func v2(imageSize: Int = 224) -> Transform {
    Transform(
      imageSize: imageSize,
      steps: [
        .crop(scale: 0.2...1),
        .jitter(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8),
        .grayscale(probability: 0.2),
        .blur(sigma: 0.1...2, probability: 0.5),
        .flip(probability: 0.5),
      ],
      normalization: .imageNet)
  }

  /// The first view of MoCo v3 (Chen, Xie, He 2021); `minScale` is 0.2 for a ResNet, 0.08 for a ViT.
  public static func v3First(minScale: Double, imageSize: Int = 224) -> Transform {
    v3(minScale, imageSize, blur: 1, solarize: 0)
  }

  /// The second view of MoCo v3: seldom blurred, sometimes solarized.
  public static func v3Second(minScale: Double, imageSize: Int = 224) -> Transform {
    v3(minScale, imageSize, blur: 0.1, solarize: 0.2)
  }

  private static func v3(_ minScale: Double, _ imageSize: Int, blur: Double, solarize: Double) -> Transform {
    Transform(
      imageSize: imageSize,
      steps: [
        .crop(scale: minScale...1),
        .jitter(brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1, probability: 0.8),
        .grayscale(probability: 0.2),
        .blur(sigma: 0.1...2, probability: blur),
        .solarize(probability: solarize),
        .flip(probability: 0.5),
      ],
      normalization: .imageNet)
  }

  /// The CIFAR-10 demo of the published code. Here the flip comes before the colour.
  public static func cifar(imageSize: Int = 32) -> Transform {
    Transform(
      imageSize: imageSize,
      steps: [
        .crop(scale: 0.08...1),
        .flip(probability: 0.5),
        .jitter(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 0.8),
        .grayscale(probability: 0.2),
      ],
      normalization: .cifar)
  }

  /// Small gray pictures (Fashion-MNIST): colour that does not change gray is left out.
  public static func demo(minScale: Double = 0.4, imageSize: Int = 28) -> Transform {
    Transform(
      imageSize: imageSize,
      steps: [
        .crop(scale: minScale...1),
        .flip(probability: 0.5),
        .jitter(brightness: 0.4, contrast: 0.4, saturation: 0, hue: 0, probability: 0.8),
      ],
      normalization: .cifar)
  }
}

/// The recipes of a query's and of a key's view.
public struct MultiViewTransform: Codable, Sendable, Equatable {
  public var query: Transform
  public var key: Transform

  public init(query: Transform, key: Transform) {
    self.query = query
    self.key = key
  }

  /// Both views by one recipe, drawn independently.
  public init(both recipe: Transform) { self.init(query: recipe, key: recipe) }

  public static func v1(imageSize: Int = 224) -> MultiViewTransform {
    MultiViewTransform(both: .v1(imageSize: imageSize))
  }
  public static func v2(imageSize: Int = 224) -> MultiViewTransform {
    MultiViewTransform(both: .v2(imageSize: imageSize))
  }
  public static func v3(minScale: Double, imageSize: Int = 224) -> MultiViewTransform {
    MultiViewTransform(
      query: .v3First(minScale: minScale, imageSize: imageSize),
      key: .v3Second(minScale: minScale, imageSize: imageSize))
  }
  public static func cifar(imageSize: Int = 32) -> MultiViewTransform {
    MultiViewTransform(both: .cifar(imageSize: imageSize))
  }
  public static func demo(minScale: Double = 0.4, imageSize: Int = 28) -> MultiViewTransform {
    MultiViewTransform(both: .demo(minScale: minScale, imageSize: imageSize))
  }

  /// - Throws: ``TransformError``.
  public func validate() throws(TransformError) {
    try query.validate()
    try key.validate()
    guard query.imageSize == key.imageSize else {
      throw .outOfRange("image sizes \(query.imageSize) and \(key.imageSize)", "two equal ones")
    }
  }
}
