import Torch

/// How a picture of any size becomes a network's input in evaluation: a square, not augmented.
public struct EvaluationView: Sendable, Equatable {
  /// Pixels of the square's side.
  public var size: Int
  /// nil is the default: the shorter side is resized to ``evaluationShortSide(_:)`` and the centre cut out, and a
  /// picture that has the size already is left alone.
  public var resizing: Resizing?
  public var interpolation: Interpolation

  /// - Parameter resizing: its shorter side has at least `size` pixels.
  public init(size: Int, resizing: Resizing? = nil, interpolation: Interpolation = .bilinear) {
    precondition(size >= 1, "pictures of \(size) pixels")
    if let side = resizing?.shortSide(of: size) {
      precondition(side >= size, "a square of \(size) pixels from a shorter side of \(side)")
    }
    (self.size, self.resizing, self.interpolation) = (size, resizing, interpolation)
  }
}
