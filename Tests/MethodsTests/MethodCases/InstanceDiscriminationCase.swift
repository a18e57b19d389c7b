import Testing

/// Instance discrimination by noise contrast.
enum InstanceDiscriminationCase {
  static func check(_ file: MethodCase) throws { Issue.record("\(file.name): no check of this kind yet") }
}
