import Testing

/// Masked auto-encoding with a queue.
enum MoCoMAECase {
  static func check(_ file: MethodCase) throws { Issue.record("\(file.name): no check of this kind yet") }
}
