import Testing

/// Dense contrast.
enum DenseCLCase {
  static func check(_ file: MethodCase) throws { Issue.record("\(file.name): no check of this kind yet") }
}
