import Torch

/// The augmentations there are, by the paper they belong to.
public enum AugmentationPreset: String, Codable, Sendable, Equatable, CaseIterable {
  case v1, v2, v3, cifar, demo

  /// - Parameters:
  ///   - imageSize: Pixels of a view's side.
  ///   - cropScale: the smallest share of the image that a crop takes; the family's own unless given.
  public func recipe(imageSize: Int, cropScale: Double? = nil) -> MultiViewTransform {
    let recipe: MultiViewTransform =
      switch self {
      case .v1: .v1(imageSize: imageSize)
      case .v2: .v2(imageSize: imageSize)
      case .v3: .v3(minScale: 0.2, imageSize: imageSize)
      case .cifar: .cifar(imageSize: imageSize)
      case .demo: .demo(imageSize: imageSize)
      }
    guard let cropScale else { return recipe }
    return MultiViewTransform(
      query: recipe.query.cropped(from: cropScale), key: recipe.key.cropped(from: cropScale))
  }

  public var normalization: Normalization { recipe(imageSize: 32, cropScale: nil).query.normalization }
}

extension Transform {
  /// The same with another smallest crop.
  fileprivate func cropped(from minScale: Double) -> Transform {
    var recipe = self
    recipe.steps = steps.map { step in
      if case .crop(let scale) = step { return .crop(scale: minScale...max(minScale, scale.upperBound)) }
      return step
    }
    return recipe
  }
}
