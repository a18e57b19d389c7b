import Foundation
import Methods

/// A turn around a place; exact for quarter turns.
struct Rotation {
  private let cosine: Double
  private let sine: Double

  /// Clockwise, as y points down.
  init(degrees: Double) {
    switch degrees {
    case 0: (cosine, sine) = (1, 0)
    case 90: (cosine, sine) = (0, 1)
    case -90: (cosine, sine) = (0, -1)
    default: (cosine, sine) = (cos(degrees * .pi / 180), sin(degrees * .pi / 180))
    }
  }

  /// `offset` turned, from `center`.
  func callAsFunction(_ offset: Position, around center: Position) -> Position {
    Position(
      center.x + offset.x * cosine - offset.y * sine, center.y + offset.x * sine + offset.y * cosine)
  }
}
