import Data
import Foundation

/// COCO's object keypoint similarity: how near points are, relative to the object's size, 0 … 1.
struct KeypointSimilarity {
  /// (2σ)² of each point.
  private let variances: [Double]

  init(_ sigmas: [Double]) { variances = sigmas.map { ($0 * 2) * ($0 * 2) } }

  /// - Parameter points: x, y, visibility, … of a detection; its visibilities are not used.
  func value(of points: [Double], with annotations: COCORows, _ row: Int) throws -> Double {
    let truth = annotations.keypoints(row)
    guard truth.count == points.count else {
      throw EvaluationError.keypoints(truth.count, expected: points.count, place: "annotations[\(row)]")
    }
    let visible = variances.indices.filter { truth[3 * $0 + 2] > 0 }
    let box = annotations.box(row)
    var sum = 0.0
    for point in visible.isEmpty ? Array(variances.indices) : visible {
      let (x, y) = (points[3 * point], points[3 * point + 1])
      let (dx, dy): (Double, Double)
      if visible.isEmpty {
        // To the box widened by its own size on every side.
        dx = max(0, box[0] - box[2] - x) + max(0, x - (box[0] + box[2] * 2))
        dy = max(0, box[1] - box[3] - y) + max(0, y - (box[1] + box[3] * 2))
      } else {
        (dx, dy) = (x - truth[3 * point], y - truth[3 * point + 1])
      }
      // numpy.spacing(1) keeps an area of 0 apart.
      sum += exp(-((dx * dx + dy * dy) / variances[point] / (annotations.area(row) + 0x1p-52) / 2))
    }
    return sum / Double(visible.isEmpty ? variances.count : visible.count)
  }

  /// The area of the points' smallest rectangle.
  static func extent(of points: [Double]) -> Double {
    let xs = stride(from: 0, to: points.count, by: 3).map { points[$0] }
    let ys = stride(from: 1, to: points.count, by: 3).map { points[$0] }
    guard let x0 = xs.min(), let x1 = xs.max(), let y0 = ys.min(), let y1 = ys.max() else { return 0 }
    return (x1 - x0) * (y1 - y0)
  }
}
