import Data
import Files
import Images
import Torch

/// The numbers of an evaluation of detections, whatever its measure.
package struct DetectionScore: Codable, Equatable, Sendable {
  package enum Metric: String, CaseIterable, Codable, Sendable {
    case coco, voc07, voc, lvis, cityscapes, miou
  }

  package struct Number: Codable, Equatable, Sendable {
    package var name: String
    /// Nil where there is nothing to find.
    package var value: Double?

    package init(_ name: String, _ value: Double?) {
      self.name = name
      self.value = value.flatMap { $0.isFinite && $0 > -1 ? $0 : nil }
    }
  }

  package struct Row: Codable, Equatable, Sendable {
    package var name: String
    /// Annotations that count; nil where pixels are counted.
    package var objects: Int?
    package var numbers: [Number]
  }

  /// Precision over recall of one class, or of all.
  package struct Curve: Codable, Equatable, Sendable {
    package var name: String
    package var recall: [Double]
    package var precision: [Double]

    package init(name: String, recall: [Double], precision: [Double]) {
      (self.name, self.recall, self.precision) = (name, recall, precision)
    }
  }

  package var metric: Metric
  package var numbers: [Number]
  package var classes: [Row]
  /// At overlap 0.5; the mean over the classes is the first.
  package var curves: [Curve]
  package var warnings: [String]

  package init(
    metric: Metric, numbers: [Number], classes: [Row], curves: [Curve] = [], warnings: [String] = []
  ) {
    (self.metric, self.numbers, self.classes) = (metric, numbers, classes)
    (self.curves, self.warnings) = (curves, warnings)
  }
}

// MARK: - COCO and LVIS

extension DetectionScore {
  package static func coco(truth: COCOFile, results: COCOResults, _ parameters: COCOParameters) throws
    -> DetectionScore
  {
    let evaluation = try COCOEvaluation(truth: truth, results: results, parameters)
    let limit = parameters.limits.count - 1
    return DetectionScore(
      metric: .coco, numbers: evaluation.statistics.map { Number($0.name, $0.value) },
      classes: rows(
        evaluation.table, ids: evaluation.categoryIDs, evaluation.counted, truth, limit: limit,
        areas: parameters.overlap == .keypoints ? ["APm", "APl"] : ["APs", "APm", "APl"]),
      curves: curves(evaluation.table, ids: evaluation.categoryIDs, truth, limit: limit),
      warnings: evaluation.warnings)
  }

  package static func lvis(
    truth: COCOFile, results: COCOResults, _ overlap: OverlapKind, numbering: COCOParameters.Numbering
  ) throws -> DetectionScore {
    let evaluation = try LVISEvaluation(truth: truth, results: results, overlap, numbering: numbering)
    return DetectionScore(
      metric: .lvis, numbers: evaluation.statistics.map { Number($0.name, $0.value) },
      classes: rows(
        evaluation.table, ids: evaluation.categoryIDs, evaluation.counted, truth, limit: 0,
        areas: ["APs", "APm", "APl"]),
      curves: curves(evaluation.table, ids: evaluation.categoryIDs, truth, limit: 0),
      warnings: evaluation.warnings)
  }

  private static func rows(
    _ table: PrecisionTable, ids: [Int], _ counted: [Int], _ truth: COCOFile, limit: Int, areas: [String]
  ) -> [Row] {
    let names = names(of: ids, truth)
    return ids.indices.map { category in
      func precision(_ thresholds: [Int]?, area: Int = 0) -> Double? {
        table.meanPrecision(thresholds: thresholds, categories: [category], area: area, limit: limit)
      }
      var numbers = [
        Number("AP", precision(nil)), Number("AP50", precision([0])), Number("AP75", precision([5])),
      ]
      for (place, name) in areas.enumerated() {
        numbers.append(Number(name, precision(nil, area: place + 1)))
      }
      return Row(name: names[category], objects: counted[category * table.areas], numbers: numbers)
    }
  }

  private static func curves(_ table: PrecisionTable, ids: [Int], _ truth: COCOFile, limit: Int) -> [Curve] {
    let names = names(of: ids, truth)
    let all = ids.indices.compactMap { category -> Curve? in
      let precision = table.curve(threshold: 0, category: category, limit: limit)
      return precision.isEmpty
        ? nil : Curve(name: names[category], recall: table.recalls, precision: precision)
    }
    guard !all.isEmpty else { return [] }
    let mean = table.recalls.indices.map { place in
      all.reduce(0) { $0 + $1.precision[place] } / Double(all.count)
    }
    return [Curve(name: "mean", recall: table.recalls, precision: mean)] + all
  }

  private static func names(of ids: [Int], _ truth: COCOFile) -> [String] {
    let names = Dictionary(truth.categories.map { ($0.id, $0.name) }) { first, _ in first }
    return ids.map { names[$0] ?? "all" }
  }
}

// MARK: - VOC

/// The truth of VOC's evaluation, with the ids that results have.
package struct VOCTruth: Sendable {
  var classNames: [String]
  var categories: [Int: Int]
  var images: [Int: Int]
  var objects: [VOCEvaluation.Object]
  var name: String

  /// A devkit, such as `VOC2007:test`; images are counted from 1 in the order of its list.
  package init(_ set: DetectionDataset) {
    (classNames, name) = (set.classNames, set.spec)
    categories = Dictionary(set.categoryIDs.enumerated().map { ($1, $0) }) { first, _ in first }
    images = Dictionary(set.images.enumerated().map { ($1.id, $0) }) { first, _ in first }
    objects = set.images.indices.flatMap { image in
      set.objects(image).map {
        VOCEvaluation.Object(
          image: image, classIndex: $0.classIndex,
          box: SIMD4($0.box.x0 + 1, $0.box.y0 + 1, $0.box.x1, $0.box.y1), isDifficult: $0.isDifficult)
      }
    }
  }

  /// A COCO file, in which `ignore` or `iscrowd` marks difficult objects.
  package init(_ file: COCOFile) throws {
    let sorted = file.categories.sorted { $0.id < $1.id }
    (classNames, name) = (sorted.map(\.name), file.path)
    categories = Dictionary(sorted.enumerated().map { ($1.id, $0) }) { first, _ in first }
    images = Dictionary(file.images.enumerated().map { ($1.id, $0) }) { first, _ in first }
    objects = []
    for row in 0..<file.annotations.count {
      let rows = file.annotations
      guard let image = images[rows.imageID(row)], let index = categories[rows.categoryID(row)] else {
        continue
      }
      guard rows.hasBox(row) else { throw EvaluationError.lacks("bbox", place: "annotations[\(row)]") }
      objects.append(
        VOCEvaluation.Object(
          image: image, classIndex: index, box: Self.corners(rows.box(row)),
          isDifficult: rows.isIgnored(row) ?? rows.isCrowd(row)))
    }
  }

  /// From x, y, width, height: pixels from 1 on, both ends inside.
  static func corners(_ box: SIMD4<Double>) -> SIMD4<Double> {
    SIMD4(box[0] + 1, box[1] + 1, box[0] + box[2], box[1] + box[3])
  }

  func detections(_ results: COCOResults) throws -> [VOCEvaluation.Detection] {
    var found: [VOCEvaluation.Detection] = []
    var strangers: [Int] = []
    for row in 0..<results.rows.count {
      guard let image = images[results.rows.imageID(row)] else {
        strangers.append(results.rows.imageID(row))
        continue
      }
      guard let index = categories[results.rows.categoryID(row)] else { continue }
      guard results.rows.hasBox(row) else { throw EvaluationError.lacks("bbox", place: "result \(row)") }
      found.append(
        VOCEvaluation.Detection(
          image: image, classIndex: index, score: results.rows.score(row),
          box: Self.corners(results.rows.box(row))))
    }
    if let first = strangers.first {
      throw EvaluationError.foreignImages(results: strangers.count, imageID: first, path: name)
    }
    return found
  }
}

extension DetectionScore {
  package static func voc(
    _ truth: VOCTruth, results: COCOResults, _ year: VOCEvaluation.Year, _ rules: VOCEvaluation.Rules
  ) throws -> DetectionScore {
    let detections = try truth.detections(results)
    let evaluation = VOCEvaluation(
      objects: truth.objects, detections: detections, images: truth.images.count,
      classes: truth.classNames.count, thresholds: (10..<20).map { Double($0 * 5) / 100 }, rules)
    let rows = truth.classNames.enumerated().map { index, name in
      let values = evaluation.thresholds.indices.map {
        evaluation.averagePrecision(year, class: index, threshold: $0)
      }
      return Row(
        name: name, objects: evaluation.curves[index][0].objects,
        numbers: [
          Number("AP", values.reduce(0, +) / Double(values.count)), Number("AP50", values[0]),
          Number("AP75", values[5]),
        ])
    }
    let curves = truth.classNames.enumerated().compactMap { index, name -> Curve? in
      let curve = evaluation.curves[index][0]
      guard curve.objects > 0 else { return nil }
      return Curve(name: name, recall: curve.recall, precision: curve.precision.map { $0.isNaN ? 0 : $0 })
    }
    return DetectionScore(
      metric: year == .from2007 ? .voc07 : .voc,
      numbers: [
        Number("AP", evaluation.mean(year)), Number("AP50", evaluation.mean(year, threshold: 0)),
        Number("AP75", evaluation.mean(year, threshold: 5)),
      ], classes: rows, curves: curves)
  }
}
