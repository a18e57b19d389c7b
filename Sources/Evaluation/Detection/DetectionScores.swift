import Files

/// The numbers of a test of detections, of one kind of place: boxes, masks or keypoints.
package struct DetectionScores: Codable, Sendable, Equatable {
  package enum Kind: String, Codable, Sendable, CaseIterable { case bbox, segm, keypoints }

  /// The names that numbers have, by the rules of COCO, LVIS, VOC and Cityscapes.
  package static let names = [
    "AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf",
    "AR", "AR1", "AR10", "AR100", "AR50", "AR75", "ARs", "ARm", "ARl",
    "AR@300", "ARs@300", "ARm@300", "ARl@300",
  ]

  /// A number with its name, in percent; nil where it is not defined, as the AP of large objects where there are none.
  package struct Value: Codable, Sendable, Equatable {
    package var name: String
    package var percent: Double?

    package init(_ name: String, _ percent: Double?) { (self.name, self.percent) = (name, percent) }
  }

  package struct ClassValue: Codable, Sendable, Equatable {
    package var name: String
    /// AP, AP50 and AP75 in percent; nil where the class has no object.
    package var values: [Double?]

    package init(_ name: String, _ values: [Double?]) { (self.name, self.values) = (name, values) }
  }

  package var kind: Kind
  /// AP, AP50, AP75 first.
  package var values: [Value]
  package var classes: [ClassValue]

  package init(_ kind: Kind, _ values: [Value], classes: [ClassValue]) {
    (self.kind, self.values, self.classes) = (kind, values, classes)
  }

  package subscript(name: String) -> Double? { values.first { $0.name == name }?.percent }

  /// Lines for people: the numbers, then AP, AP50 and AP75 of each class; of many classes only the hardest.
  package func table(classLimit: Int = 40) -> [String] {
    func text(_ value: Double?) -> String { value.map { fixed($0, 2) } ?? "–" }
    func column(_ value: String) -> String { value.padded(to: 9) }
    var lines = [
      "\(kind.rawValue)".padded(to: 12) + values.map { column($0.name) }.joined(),
      "".padded(to: 12) + values.map { column(text($0.percent)) }.joined(),
    ]
    guard classes.count > 1 else { return lines }
    let known = classes.filter { $0.values.first ?? nil != nil }
    let hardest = known.sorted { ($0.values[0] ?? 0) < ($1.values[0] ?? 0) }.prefix(classLimit)
    let shown = classes.count <= classLimit ? classes : Array(hardest)
    let width = max(12, (shown.map(\.name.count).max() ?? 0) + 2)
    lines.append("class".padded(to: width) + ["AP", "AP50", "AP75"].map(column).joined())
    lines += shown.map { $0.name.padded(to: width) + $0.values.map { column(text($0)) }.joined() }
    if shown.count < classes.count { lines.append("the \(shown.count) hardest of \(classes.count)") }
    return lines
  }
}
