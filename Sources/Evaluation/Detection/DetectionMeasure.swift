import Data
import Files
import Images
import Torch

/// The rules by which detections are measured.
package enum DetectionMetric: String, Codable, Sendable, CaseIterable {
  /// COCO's average precision.
  case coco
  /// VOC's, with 11 points as in 2007, or the area as from 2010 on; by detectron2's evaluator.
  case voc07, voc
  case lvis
  /// Cityscapes' average precision of instances.
  case cityscapes
}

/// Measures a file of results against a detection set.
package struct DetectionMeasure {
  private let metric: DetectionMetric
  private let dataset: DetectionDataset

  package init(_ metric: DetectionMetric, _ dataset: DetectionDataset) {
    (self.metric, self.dataset) = (metric, dataset)
  }

  /// - Parameters:
  ///   - path: Of a file in COCO's results format, with the set's ids.
  ///   - kinds: What is measured.
  /// - Returns: The numbers, and sentences about what was not measured.
  /// - Throws: ``EvaluationError``, or those of the files.
  package func scores(ofResults path: String, _ kinds: [DetectionScores.Kind]) throws -> (
    scores: [DetectionScores], warnings: [String]
  ) {
    let results = try COCOResults(path)
    switch metric {
    case .coco: return try coco(results, kinds)
    case .lvis: return try lvis(results, kinds)
    case .voc07, .voc: return (try [voc(results)], [])
    case .cityscapes: return (try [cityscapes(results)], [])
    }
  }

  /// A number of COCO's in percent; −1 stands for none.
  private func percent(_ value: Double) -> Double? { value < 0 ? nil : 100 * value }

  private func values(_ statistics: [COCOEvaluation.Statistic]) -> [DetectionScores.Value] {
    statistics.map { DetectionScores.Value($0.name, percent($0.value)) }
  }

  /// AP, AP50 and AP75 of each class from its precisions at 0.5, 0.55, … 0.95.
  private func classes(
    _ ids: [Int], _ precision: (_ category: Int) -> [Double]?
  ) -> [DetectionScores.ClassValue] {
    zip(dataset.classNames, dataset.categoryIDs).map { name, id in
      guard let place = ids.firstIndex(of: id), let all = precision(place), all.count == 10 else {
        return DetectionScores.ClassValue(name, [nil, nil, nil])
      }
      let mean = all.reduce(0, +) / Double(all.count)
      return DetectionScores.ClassValue(name, [mean, all[0], all[5]].map { 100 * $0 })
    }
  }

  // MARK: - COCO and LVIS

  private func coco(_ results: COCOResults, _ kinds: [DetectionScores.Kind]) throws -> (
    [DetectionScores], [String]
  ) {
    let truth = try self.truth(hasMasks: kinds.contains(.segm), hasKeypoints: kinds.contains(.keypoints))
    var (scores, warnings): ([DetectionScores], [String]) = ([], [])
    for kind in kinds {
      if kind == .keypoints, dataset.keypoints.count != COCOParameters.personSigmas.count {
        warnings.append(
          "keypoints are not measured: COCO's rule needs a size for each of the \(dataset.keypoints.count) points, and "
            + "has them for its 17 of a person.")
        continue
      }
      var parameters = COCOParameters(kind.overlap)
      parameters.categoryIDs = dataset.categoryIDs
      let evaluation = try COCOEvaluation(truth: truth, results: results, parameters)
      scores.append(
        DetectionScores(
          kind, values(evaluation.statistics),
          classes: classes(evaluation.categoryIDs) { evaluation.averagePrecision(category: $0) }))
      warnings += evaluation.warnings.filter { !warnings.contains($0) }
    }
    return (scores, warnings)
  }

  private func lvis(_ results: COCOResults, _ kinds: [DetectionScores.Kind]) throws -> (
    [DetectionScores], [String]
  ) {
    guard let file = annotationFile else {
      throw RunError("--metric lvis: it needs the categories of a LVIS file; give one as --test.")
    }
    let truth = try COCOFile(file)
    var (scores, warnings): ([DetectionScores], [String]) = ([], [])
    for kind in kinds where kind != .keypoints {
      let evaluation = try LVISEvaluation(truth: truth, results: results, kind.overlap)
      scores.append(
        DetectionScores(
          kind, values(evaluation.statistics),
          classes: classes(evaluation.categoryIDs) { evaluation.averagePrecision(category: $0) }))
      warnings += evaluation.warnings.filter { !warnings.contains($0) }
    }
    return (scores, warnings)
  }

  /// The set's JSON file, where it is one.
  private var annotationFile: String? {
    guard let parts = try? AnnotatedPart.parse(dataset.spec), parts.count == 1,
      case .coco(let file, _) = parts[0]
    else { return nil }
    return file
  }

  /// The file itself, or one that is made of the set's objects.
  private func truth(hasMasks: Bool, hasKeypoints: Bool) throws -> COCOFile {
    if let annotationFile { return try COCOFile(annotationFile) }
    var rows = COCORows()
    for (place, image) in dataset.images.enumerated() {
      for object in dataset.objects(place) {
        rows.add(imageID: image.id, categoryID: dataset.categoryIDs[object.classIndex], id: rows.count + 1)
        let box = object.box
        rows.set(box: SIMD4(box.x0, box.y0, box.width, box.height))
        rows.set(area: object.area ?? box.area)
        // Difficult ones count neither way, as crowds.
        rows.set(isCrowd: object.isCrowd || object.isDifficult)
        if hasMasks, let mask = object.mask {
          rows.set(mask: mask.runLengths(height: image.height, width: image.width))
        }
      }
    }
    return COCOFile(
      path: dataset.spec,
      images: dataset.images.map {
        COCOFile.Image(id: $0.id, fileName: $0.name, height: $0.height, width: $0.width)
      },
      categories: zip(dataset.classNames, dataset.categoryIDs).map {
        COCOFile.Category(id: $1, name: $0, keypoints: dataset.keypoints.names)
      }, annotations: rows)
  }

  // MARK: - VOC

  private func vocScore(_ results: COCOResults) throws -> DetectionScore {
    try DetectionScore.voc(
      VOCTruth(dataset), results: results, metric == .voc07 ? .from2007 : .from2010, .detectron2)
  }

  private func voc(_ results: COCOResults) throws -> DetectionScores {
    let score = try vocScore(results)
    func percent(_ number: DetectionScore.Number) -> Double? { number.value.map { 100 * $0 } }
    return DetectionScores(
      .bbox, score.numbers.map { .init($0.name, percent($0)) },
      classes: score.classes.map { .init($0.name, $0.numbers.map(percent)) })
  }

  // MARK: - Curves

  /// Precision over recall of boxes at overlap 0.5; none by Cityscapes' rules, which measure masks.
  /// - Throws: ``EvaluationError``, or those of the files.
  package func curves(ofResults path: String) throws -> [DetectionScore.Curve] {
    let results = try COCOResults(path)
    switch metric {
    case .coco:
      var parameters = COCOParameters(.boxes)
      parameters.categoryIDs = dataset.categoryIDs
      return try DetectionScore.coco(
        truth: truth(hasMasks: false, hasKeypoints: false), results: results, parameters
      ).curves
    case .lvis:
      return try DetectionScore.lvis(
        truth: truth(hasMasks: false, hasKeypoints: false), results: results, .boxes, numbering: .byPlace
      ).curves
    case .voc07, .voc: return try vocScore(results).curves
    case .cityscapes: return []
    }
  }

  // MARK: - Cityscapes

  private func cityscapes(_ results: COCOResults) throws -> DetectionScores {
    let places = Places(dataset)
    var byImage = Array(repeating: [Int](), count: dataset.count)
    for row in 0..<results.rows.count { byImage[try places(results, row).image].append(row) }
    var evaluation = CityscapesInstanceEvaluation()
    for (place, rows) in byImage.enumerated() {
      let image = dataset.images[place]
      let predictions = try rows.map { row in
        guard case .runLengths(let text, let height, let width) = results.rows.segmentation(row) else {
          throw RunError("\(results.path): result \(row) has no mask, and Cityscapes' rules measure masks.")
        }
        return CityscapesInstanceEvaluation.Prediction(
          label: results.rows.categoryID(row), score: results.rows.score(row),
          mask: try RunLengthMask(compressed: text, height: height, width: width).bitmap())
      }
      let truth = try LabelImage(contentsOf: try instancePath(of: image), limits: dataset.decoder.limits)
      try evaluation.add(
        instances: truth.labels.map { Int32($0) }, predictions: predictions, name: image.name)
    }
    func percent(_ value: Double?) -> Double? { value.map { 100 * $0 } }
    return DetectionScores(
      .segm,
      [.init("AP", percent(evaluation.mean())), .init("AP50", percent(evaluation.mean([0.5])))],
      classes: CityscapesLabel.instances.enumerated().map { place, label in
        DetectionScores.ClassValue(
          label.name,
          [
            percent(evaluation.mean(class: place)),
            percent(evaluation.averagePrecision(class: place, threshold: 0.5)),
            percent(evaluation.averagePrecision(class: place, threshold: 0.75)),
          ])
      })
  }

  /// The picture of an image's instances.
  private func instancePath(of image: DetectionDataset.Image) throws -> String {
    let (from, ending) = ("/leftImg8bit/", "_leftImg8bit.png")
    guard let folder = image.path.ranges(of: from).last, image.path.hasSuffix(ending) else {
      throw RunError("--metric cityscapes: \(dataset.spec) is no folder of Cityscapes; give one as --test.")
    }
    return image.path[..<folder.lowerBound] + "/gtFine/"
      + image.path[folder.upperBound...].dropLast(ending.count) + "_gtFine_instanceIds.png"
  }

  /// Places of images and classes by their ids.
  private struct Places {
    private let images: [Int: Int]
    private let classes: [Int: Int]

    init(_ dataset: DetectionDataset) {
      images = Dictionary(dataset.images.enumerated().map { ($1.id, $0) }) { first, _ in first }
      classes = Dictionary(dataset.categoryIDs.enumerated().map { ($1, $0) }) { first, _ in first }
    }

    func callAsFunction(_ results: COCOResults, _ row: Int) throws -> (image: Int, classIndex: Int) {
      let (image, category) = (results.rows.imageID(row), results.rows.categoryID(row))
      guard let place = images[image], let classIndex = classes[category] else {
        throw RunError(
          "\(results.path): result \(row) names image \(image) and category \(category), which the test set does not have."
        )
      }
      return (place, classIndex)
    }
  }
}

extension DetectionScores.Kind {
  var overlap: OverlapKind {
    switch self {
    case .bbox: .boxes
    case .segm: .masks
    case .keypoints: .keypoints
    }
  }
}
