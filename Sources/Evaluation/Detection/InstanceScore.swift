import Data
import Files
import Foundation
import Images
import Torch

extension DetectionScore {
  /// Instances of Cityscapes.
  ///
  /// - Parameters:
  ///   - spec: A folder and its split, such as `cityscapes/:val`.
  ///   - results: Masks with label ids; images are counted from 1 in the order of their names.
  package static func cityscapes(_ spec: String, results: COCOResults) throws -> DetectionScore {
    guard case .cityscapes(let folder, let split)? = try AnnotatedPart.parse(spec).first else {
      throw UsageError("\(spec) is no folder of Cityscapes; write it as cityscapes/:val")
    }
    let set = try DetectionDataset.open(
      spec, DetectionOptions(use: .testing, maxLeftOut: Fraction(value: 1), workers: Cores.usable))
    var byImage: [Int: [Int]] = [:]
    for row in 0..<results.rows.count { byImage[results.rows.imageID(row), default: []].append(row) }
    var evaluation = CityscapesInstanceEvaluation()
    for image in set.images {
      let truth = try LabelImage(contentsOf: "\(folder)/gtFine/\(split)/\(image.name)_gtFine_instanceIds.png")
      let predictions = try (byImage.removeValue(forKey: image.id) ?? []).map { row in
        try prediction(results.rows, row, height: truth.height, width: truth.width)
      }
      try evaluation.add(
        instances: truth.labels.map { Int32($0) }, predictions: predictions, name: image.name)
    }
    if let stranger = byImage.keys.min() {
      throw EvaluationError.foreignImages(
        results: byImage.values.reduce(0) { $0 + $1.count }, imageID: stranger, path: spec)
    }
    return DetectionScore(
      metric: .cityscapes,
      numbers: [Number("AP", evaluation.mean()), Number("AP50", evaluation.mean([0.5]))],
      classes: CityscapesLabel.instances.enumerated().map { index, label in
        Row(
          name: label.name, objects: nil,
          numbers: [
            Number("AP", evaluation.mean(class: index)),
            Number("AP50", evaluation.averagePrecision(class: index, threshold: 0.5)),
          ])
      })
  }

  private static func prediction(_ rows: COCORows, _ row: Int, height: Int, width: Int) throws
    -> CityscapesInstanceEvaluation.Prediction
  {
    let mask = try polygonMask(of: rows, row, SIMD2(height, width), "result \(row)")
    return CityscapesInstanceEvaluation.Prediction(
      label: rows.categoryID(row), score: rows.score(row), mask: mask.bitmap())
  }
}
