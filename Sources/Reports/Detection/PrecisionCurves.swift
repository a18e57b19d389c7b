/// Precision over recall of boxes at IoU ≥ 0.5: of all classes together, and of those with the most objects.
///
/// As in COCO's tables precision at a recall is the best at that or a higher one, at 101 recalls.
struct PrecisionCurves {
  /// The most curves of single classes.
  private static let classes = 5

  let curves: [DetectionSummary.Curve]

  init(_ pictures: [DetectionPicture], classNames: [String]) {
    var objects = [Int](repeating: 0, count: classNames.count)
    var found = [[(score: Double, isRight: Bool)]](repeating: [], count: classNames.count)
    for picture in pictures {
      for truth in picture.truth where !truth.isIgnored && objects.indices.contains(truth.classIndex) {
        objects[truth.classIndex] += 1
      }
      for (detection, outcome) in zip(picture.detections, PictureMatching(picture).outcomes)
      where outcome != .ignored && objects.indices.contains(detection.classIndex) {
        found[detection.classIndex].append((detection.score, outcome != .wrong))
      }
    }
    var curves = [Self.curve("all classes together", found.flatMap(\.self), objects.reduce(0, +))]
    let most = objects.indices.filter { objects[$0] > 0 }.sorted { (objects[$0], $1) > (objects[$1], $0) }
    if most.count > 1 {
      curves += most.prefix(Self.classes).map { Self.curve(classNames[$0], found[$0], objects[$0]) }
    }
    self.curves = curves.compactMap(\.self)
  }

  /// Nil without objects.
  static func curve(
    _ name: String, _ found: [(score: Double, isRight: Bool)], _ objects: Int
  ) -> DetectionSummary.Curve? {
    guard objects > 0 else { return nil }
    var (right, seen) = (0, 0)
    var line: [(right: Int, precision: Double)] = []
    for one in found.sorted(by: { $0.score > $1.score }) {
      seen += 1
      if one.isRight { right += 1 }
      line.append((right, Double(right) / Double(seen)))
    }
    var best = 0.0
    for index in line.indices.reversed() {
      best = max(best, line[index].precision)
      line[index].precision = best
    }
    var place = 0
    let points = (0...100).map { percent -> DetectionSummary.Curve.Point in
      while place < line.count, line[place].right * 100 < percent * objects { place += 1 }
      return .init(recall: Double(percent) / 100, precision: place < line.count ? line[place].precision : nil)
    }
    return .init(name: name, points: points)
  }
}
