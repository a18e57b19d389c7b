import Data
import Files
import Foundation
import Images

extension DetectionScore {
  /// Label maps of Cityscapes, by the rules of cityscapesScripts 2.3.0.
  ///
  /// - Parameters:
  ///   - spec: A folder and its split, such as `cityscapes/:val`.
  ///   - folder: PNG pictures of label ids.
  package static func cityscapes(_ spec: String, labelMaps folder: String) throws -> DetectionScore {
    let set = try SegmentationDataset.open(
      spec, SegmentationOptions(use: .testing, maxLeftOut: Fraction(value: 1), workers: Cores.usable))
    guard set.kind == .cityscapes else {
      throw UsageError("\(spec) is no folder of Cityscapes; write it as cityscapes/:val")
    }
    let predictions = try CityscapesPredictions(folder)
    let places = try set.images.map { image in
      guard let mask = image.mask, let files = CityscapesFiles(mask: mask) else {
        throw UsageError(
          "\(image.name) has no _gtFine_labelIds.png and _gtFine_instanceIds.png, which Cityscapes' rules need"
        )
      }
      return (files: files, prediction: try predictions.path(of: image.name), name: image.name)
    }
    let limits = DecodeLimits()
    let counts = try inParallel(places.count, threads: Cores.usable) { number in
      let place = places[number]
      return try place.files.counts(
        prediction: LabelMap.read(place.prediction, limits: limits).labels, name: place.name, limits: limits)
    }
    var evaluation = CityscapesSemanticEvaluation()
    for image in counts { evaluation.add(image) }
    return score(evaluation)
  }

  private static func score(_ evaluation: CityscapesSemanticEvaluation) -> DetectionScore {
    let labels = CityscapesLabel.evaluated.map { label in
      Row(
        name: label.name, objects: nil,
        numbers: [
          Number("IoU", evaluation.labelIoU(label.id)), Number("iIoU", evaluation.labelInstanceIoU(label.id)),
        ])
    }
    let categories = CityscapesLabel.categories.indices.dropFirst().map { category in
      Row(
        name: "category \(CityscapesLabel.categories[category])", objects: nil,
        numbers: [
          Number("IoU", evaluation.categoryIoU(category)),
          Number("iIoU", evaluation.categoryInstanceIoU(category)),
        ])
    }
    return DetectionScore(
      metric: .cityscapes,
      numbers: [
        Number("mIoU", evaluation.meanIoU), Number("iIoU", evaluation.meanInstanceIoU),
        Number("IoU category", evaluation.meanCategoryIoU),
        Number("iIoU category", evaluation.meanCategoryInstanceIoU),
      ], classes: labels + categories)
  }

  /// Two folders of PNG pictures of classes, with the same names.
  /// - Parameter given: The number of classes, the background counted; that of the truth's `classes.txt` unless given.
  package static func semantic(
    truth: String, predictions: String, classes given: Int? = nil
  ) throws -> DetectionScore {
    let classNames = try SegmentationDataset.classNames(ofMasks: truth) ?? []
    let classes = given ?? classNames.count
    guard classes > 0 else {
      throw UsageError(
        "--metric miou needs --classes, the number of classes: \(truth) has no classes.txt, which names them")
    }
    let names = try reportingFileErrors(.list, truth) {
      try FileManager.default.contentsOfDirectory(atPath: truth).filter { $0.hasSuffix(".png") }.sorted()
    }
    guard !names.isEmpty else { throw UsageError("\(truth) holds no PNG picture of classes") }
    let block = max(4, names.count / 256)
    let sums = try inParallel((names.count + block - 1) / block, threads: Cores.usable) { number in
      var matrix = ConfusionMatrix(classes: classes)
      for name in names[number * block..<min(names.count, (number + 1) * block)] {
        func labels(_ folder: String) throws -> [UInt8] { try LabelMap.read(joined(folder, name)).labels }
        try matrix.add(truth: labels(truth), prediction: labels(predictions), name: name)
      }
      return matrix
    }
    var matrix = ConfusionMatrix(classes: classes)
    for sum in sums { matrix.add(sum) }
    return DetectionScore(
      metric: .miou,
      numbers: [
        Number("mIoU", matrix.meanIntersectionOverUnion(.present)), Number("fwIoU", matrix.frequencyWeighted),
        Number("mACC", matrix.meanAccuracy), Number("pACC", matrix.pixelAccuracy),
        Number("mIoU of all", matrix.meanIntersectionOverUnion(.all)),
      ],
      classes: (0..<classes).map {
        Row(
          name: classNames.indices.contains($0) ? classNames[$0] : "\($0)", objects: nil,
          numbers: [Number("IoU", matrix.intersectionOverUnion($0)), Number("ACC", matrix.accuracy($0))])
      })
  }
}
