import Testing

/// The loss of triplets.
enum TripletCase {
  static func check(_ file: MethodCase) throws { Issue.record("\(file.name): no check of this kind yet") }
}
