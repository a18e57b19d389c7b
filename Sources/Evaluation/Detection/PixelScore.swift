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

  /// Two folders of PNG pictures of classes, with the same names.
  package static func semantic(truth: String, predictions: String, classes: Int) throws -> DetectionScore {
    let names = try reportingFileErrors(.list, truth) {
      try FileManager.default.contentsOfDirectory(atPath: truth).filter { $0.hasSuffix(".png") }.sorted()
    }
    guard !names.isEmpty else { throw UsageError("\(truth) holds no PNG picture of classes") }
    var matrix = ConfusionMatrix(classes: classes)
    for name in names {
      func labels(_ folder: String) throws -> [UInt8] {
        let image = try LabelImage(contentsOf: joined(folder, name))
        if let large = image.labels.first(where: { $0 > 255 }) {
          throw EvaluationError.strangeClass(Int(large), classes: classes, name: joined(folder, name))
        }
        return image.labels.map { UInt8($0) }
      }
      try matrix.add(truth: labels(truth), prediction: labels(predictions), name: name)
    }
    return DetectionScore(
      metric: .miou,
      numbers: [
        Number("mIoU", matrix.meanIntersectionOverUnion(.present)), Number("fwIoU", matrix.frequencyWeighted),
        Number("mACC", matrix.meanAccuracy), Number("pACC", matrix.pixelAccuracy),
        Number("mIoU of all", matrix.meanIntersectionOverUnion(.all)),
      ],
      classes: (0..<classes).map {
        Row(
          name: "\($0)", objects: nil,
          numbers: [Number("IoU", matrix.intersectionOverUnion($0)), Number("ACC", matrix.accuracy($0))])
      })
  }
}
