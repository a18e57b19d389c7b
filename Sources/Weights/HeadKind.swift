/// The use of an encoder's head in a file of weights.
public enum HeadKind: String, Codable, Sendable {
  /// There is no head. (Older files have one whose tensors are 0.)
  case missing = "none"
  /// Its outputs are compared by a contrastive method.
  case projection
  case classifier

  /// The key in a file's metadata.
  static let metadataKey = "head"
}
