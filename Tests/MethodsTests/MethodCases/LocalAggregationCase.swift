import Testing

/// Local aggregation.
enum LocalAggregationCase {
  static func check(_ file: MethodCase) throws { Issue.record("\(file.name): no check of this kind yet") }
  static func checkTraining(_ file: MethodCase) throws {
    Issue.record("\(file.name): no check of this kind yet")
  }
}
