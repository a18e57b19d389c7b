import Models

/// MoCo v2: "Improved Baselines with Momentum Contrastive Learning" (Chen, Fan, Girshick, He 2020).
///
/// v1 with an MLP head, a higher temperature, blur among the augmentations and a cosine schedule.
public enum MoCoV2 {
  public static let settings = MoCo.Settings(queueSize: 65536, momentum: 0.999, temperature: 0.2)

  /// Linear, ReLU, linear; without batch normalisation.
  public static func head(dimension: Int) -> Head { .mlp(outputs: dimension) }
}
