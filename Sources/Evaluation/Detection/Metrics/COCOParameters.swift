/// By what detections are compared with annotations.
package enum OverlapKind: String, Sendable, CaseIterable {
  case boxes = "bbox"
  case masks = "segm"
  case keypoints
}

/// How COCO's evaluation counts; the published values are the defaults.
package struct COCOParameters: Sendable {
  package var overlap: OverlapKind
  package var thresholds: [Double] = linearSpace(0.5, 0.95, 10)
  /// The recalls at which precision is read.
  package var recalls: [Double] = linearSpace(0, 1, 101)
  /// Detections of an image and category that count, ascending.
  package var limits: [Int]
  /// Square pixels, both ends included; the first is all.
  package var areas: [ClosedRange<Double>]
  /// Whether detections are compared within their category only.
  package var usesCategories = true
  /// Nil: those of the file.
  package var imageIDs: [Int]?
  package var categoryIDs: [Int]?
  /// Of each keypoint, relative to the object's size.
  package var sigmas: [Double] = COCOParameters.personSigmas
  package var numbering = Numbering.byPlace
  /// Whose rules count crowds and ignored annotations.
  var rules = Rules.coco

  enum Rules: Sendable {
    /// `iscrowd` is honoured, `ignore` is not.
    case coco
    /// The other way round.
    case lvis
  }

  /// How annotations are told apart.
  package enum Numbering: Sendable {
    /// By their place in the file.
    case byPlace
    /// By their id, as pycocotools does: an annotation of id 0 is never matched, and of those with one id the last
    /// takes the place of all.
    case byID
  }

  package init(_ overlap: OverlapKind) {
    self.overlap = overlap
    let (small, medium) = (32.0 * 32, 96.0 * 96)
    limits = overlap == .keypoints ? [20] : [1, 10, 100]
    areas =
      overlap == .keypoints
      ? [0...1e10, small...medium, medium...1e10]
      : [0...1e10, 0...small, small...medium, medium...1e10]
  }

  /// COCO's 17 points of a person.
  package static let personSigmas = [
    0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89,
  ].map { $0 / 10 }

  /// As numpy's linspace computes it: 0.9 of the thresholds is 0.8999999999999999.
  package static func linearSpace(_ first: Double, _ last: Double, _ count: Int) -> [Double] {
    let step = (last - first) / Double(count - 1)
    return (0..<count).map { $0 == count - 1 ? last : Double($0) * step + first }
  }
}
