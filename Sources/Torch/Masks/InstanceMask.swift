/// The pixels of one object.
public enum InstanceMask: Sendable, Equatable {
  /// Outlines x, y, x, y, …, three points or more each. The object is all of them together.
  case polygons([[Double]])
  case runLengths(RunLengthMask)

  /// Polygons filled as COCO does it, in a picture of `height` × `width` pixels.
  package func runLengths(height: Int, width: Int) -> RunLengthMask {
    switch self {
    case .runLengths(let mask): mask
    case .polygons(let polygons): RunLengthMask(polygons: polygons, height: height, width: width)
    }
  }
}
