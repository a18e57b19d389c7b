/// The pixels of one object.
public enum InstanceMask: Sendable, Equatable {
  /// Outlines x, y, x, y, …, three points or more each. The object is all of them together.
  case polygons([[Double]])
  case runLengths(RunLengthMask)
}
