/// One of the two encoders of a contrastive method.
public enum EncoderRole: String, Codable, Sendable, CaseIterable {
  /// f_q, trained by gradients.
  case query
  /// f_k, which follows it.
  case key

  /// The name of the encoder in a method and in its checkpoints.
  public var name: String { self == .query ? "encoder_q" : "encoder_k" }

  /// The beginning of the names of the encoder's tensors in a checkpoint.
  public var prefix: String { name + "." }
}
