/// The error of an evaluation.
package enum EvaluationError: Error, Equatable, CustomStringConvertible {
  /// Features have an infinity or a NaN; the value says which features.
  case notFinite(String)

  package var description: String {
    switch self {
    case .notFinite(let name):
      "the features of the \(name) hold infinite values or NaN: the encoder diverged. "
        + "Use an earlier checkpoint, or train with a smaller --lr."
    }
  }
}

/// An evaluation was broken off because its caller asked for it.
package struct EvaluationStopped: Error {}
