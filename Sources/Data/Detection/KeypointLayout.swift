/// The points that objects of a set are marked with.
public struct KeypointLayout: Sendable, Equatable {
  public let names: [String]
  /// Where each point is found in the mirrored picture: the left eye's place holds the right eye.
  public let mirrored: [Int]

  public static let none = KeypointLayout(names: [])

  /// Points whose names differ in "left" and "right" alone change places in a mirror.
  public init(names: [String]) {
    self.names = names
    let places = Dictionary(names.enumerated().map { ($1.lowercased(), $0) }) { first, _ in first }
    mirrored = names.enumerated().map { place, name in
      let name = name.lowercased()
      let other =
        name.contains("left")
        ? name.replacing("left", with: "right") : name.replacing("right", with: "left")
      return places[other] ?? place
    }
  }

  public var count: Int { names.count }

  /// The points that change places.
  public var pairs: [(Int, Int)] {
    mirrored.enumerated().filter { $0.offset < $0.element }.map { ($0.offset, $0.element) }
  }
}
