/// The options of a fine-tuning, by which its checkpoints are known again.
package struct FineTuneIdentity {
  /// A checksum of the options that the numbers depend on.
  package let hash: String
  /// The options as text, which a checkpoint keeps.
  package let text: String
  /// How the options of another run's text differ from these, one message each: `lr is 0.1 there and 0.2 here`.
  package let differences: (_ text: String) throws -> [String]

  package init(
    hash: String = "", text: String = "",
    differences: @escaping (_ text: String) throws -> [String] = { _ in [] }
  ) {
    (self.hash, self.text, self.differences) = (hash, text, differences)
  }
}

/// A signal has ended a fine-tuning.
package struct FineTuningStopped: Error, Equatable {
  /// The epoch, from 1, that is not whole.
  package let epoch: Int
  /// The number of whole epochs whose state is kept.
  package let kept: Int
}
