import Models

/// MoCo for small images on one device, after the published CIFAR-10 demonstration: a smaller and faster
/// dictionary, ShuffleBN by splitting the batch, and optionally the symmetric loss.
public enum MoCoCIFAR {
  public static let settings = MoCo.Settings(
    queueSize: 4096, momentum: 0.99, temperature: 0.1, bnGroups: 8)

  public static func head(dimension: Int) -> Head { .linear(outputs: dimension) }
}
