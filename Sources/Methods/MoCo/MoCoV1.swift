import Models

/// MoCo v1: "Momentum Contrast for Unsupervised Visual Representation Learning" (He et al. 2020).
public enum MoCoV1 {
  public static let settings = MoCo.Settings(queueSize: 65536, momentum: 0.999, temperature: 0.07)

  /// One linear layer makes the key.
  public static func head(dimension: Int) -> Head { .linear(outputs: dimension) }
}
