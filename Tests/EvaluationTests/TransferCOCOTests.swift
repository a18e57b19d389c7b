import Data
import Evaluation
import Foundation
import Testing
import Torch

/// Reference numbers of pycocotools and lvis.
@Suite struct TransferCOCO {
  static let files = Reference.all.filter { $0["cases"][0]["expected"]["stats"].isThere }
  static let lvis = Reference.all.filter { $0["cases"][0]["expected"]["APr"].isThere }
  static let plain = Reference.all.filter { $0["case"].text.hasPrefix("coco-") }

  // MARK: - Every array and number

  @Test(arguments: files) func arraysAndSummaryArePycocotools(_ file: Reference) throws {
    let first = file["cases"][0]
    for one in file["cases"].list {
      print("transfer: \(file.name): \(one["name"].text)")
      let truth = try COCOFile(one["dataset"].isText ? first["dataset"] : one["dataset"])
      var results = try COCOResults(one["results"].isText ? first["results"] : one["results"])
      if one["results"].text.contains("plus bbox") { results = try Self.withBoxes(first["results"]) }
      var parameters = COCOParameters(try #require(OverlapKind(rawValue: one["iou_type"].text)))
      Self.set(one["params"], in: &parameters)
      // The numbers are those of the evaluator, with its way of ids.
      parameters.numbering = .byID
      let evaluation = try COCOEvaluation(truth: truth, results: results, parameters)
      let expected = one["expected"]
      #expect(apart(evaluation.statistics.map(\.value), expected["stats"].numbers) < metricTolerance)
      check(evaluation.table.precision, expected["precision"])
      check(evaluation.table.recall, expected["recall"])
      check(evaluation.table.scores, expected["scores"])
      for (id, values) in expected["ap_of_category_by_iou"].object {
        let number = try #require(Int(id))
        let place = try #require(evaluation.categoryIDs.firstIndex(of: number))
        let found = evaluation.averagePrecision(category: place)
        let known = values.numbers.filter { !$0.isNaN }
        #expect(apart(found ?? [], known) < metricTolerance, "\(one["name"].text), category \(id)")
      }
      for image in expected["oks"].list { try checkSimilarity(image, truth, results, "image", "matrix") }
    }
  }

  @Test func annotationsAreToldApartByTheirPlace() throws {
    for file in Self.files {
      let cases = file["cases"].list
      guard let zero = cases.first(where: { $0["name"].text == "annotation id 0" }),
        let one = cases.first(where: { $0["name"].text == "annotation ids from 1" })
      else { continue }
      let evaluation = try COCOEvaluation(
        truth: COCOFile(zero["dataset"]), results: COCOResults(zero["results"]), COCOParameters(.boxes))
      #expect(apart(evaluation.statistics.map(\.value), one["expected"]["stats"].numbers) < metricTolerance)
      #expect(evaluation.warnings.contains { $0.contains("1 annotation has the id 0") })
    }
  }

  private func check(_ values: [Double], _ expected: Reference) {
    let shape = expected["shape"].wholes
    if !shape.isEmpty { #expect(values.count == shape.reduce(1, *)) }
    if expected["absent"].isThere { #expect(values.count { $0 == -1 } == expected["absent"].whole) }
    let sum = values.filter { $0 != -1 }.reduce(0, +)
    let weighted = values.enumerated().reduce(0) { $0 + $1.element * Double($1.offset % 97 + 1) }
    #expect(apart([sum, weighted], [expected["sum"].number, expected["weighted"].number]) < metricTolerance)
  }

  private static func set(_ fields: Reference, in parameters: inout COCOParameters) {
    for (name, value) in fields.object {
      switch name {
      case "useCats": parameters.usesCategories = value.whole == 1
      case "maxDets": parameters.limits = value.wholes
      case "iouThrs": parameters.thresholds = value.numbers
      case "recThrs": parameters.recalls = value.numbers
      case "areaRng": parameters.areas = value.list.map { $0[0].number...$0[1].number }
      case "imgIds": parameters.imageIDs = value.wholes
      case "catIds": parameters.categoryIDs = value.wholes
      default: Issue.record("no parameter \(name)")
      }
    }
  }

  /// Each result with the box of its mask.
  private static func withBoxes(_ results: Reference) throws -> COCOResults {
    let lists = try results.list.map { result -> [String: Any] in
      var fields = result.value as? [String: Any] ?? [:]
      let (height, width) = (result["segmentation"]["size"][0].whole, result["segmentation"]["size"][1].whole)
      let mask = try RunLengthMask(
        compressed: Array(result["segmentation"]["counts"].text.utf8), height: height, width: width)
      let box = mask.boundingBox
      fields["bbox"] = [box.x, box.y, box.width, box.height]
      return fields
    }
    return try COCOResults(Reference(name: results.name, value: lists))
  }

  private func checkSimilarity(
    _ image: Reference, _ truth: COCOFile, _ results: COCOResults, _ key: String, _ matrix: String
  ) throws {
    let similarities = try COCOEvaluation.keypointSimilarities(
      truth: truth, results: results, imageID: image[key].whole, COCOParameters(.keypoints))
    #expect(apart(similarities, image[matrix].flat) < metricTolerance)
  }

  // MARK: - Summaries

  @Test(arguments: plain) func summaryAndCategoriesAreDetectron2s(_ file: Reference) throws {
    print("transfer: \(file.name)")
    let kinds: [String: OverlapKind] = [
      "coco-boxes": .boxes, "coco-masks": .masks, "coco-keypoints": .keypoints,
    ]
    var parameters = COCOParameters(try #require(kinds[file["case"].text]))
    if file["sigmas"].isThere { parameters.sigmas = file["sigmas"].numbers }
    let truth = try COCOFile(file["ground_truth"])
    let results = try COCOResults(file["detections"])
    let evaluation = try COCOEvaluation(truth: truth, results: results, parameters)
    #expect(Set(evaluation.statistics.map(\.name)).isSubset(of: DetectionScores.names))
    check(evaluation, file["expected"])
    for category in file["categories"].list {
      let place = try #require(evaluation.categoryIDs.firstIndex(of: category["category"].whole))
      let absent = Array(repeating: -1.0, count: parameters.thresholds.count)
      let values = evaluation.averagePrecision(category: place) ?? absent
      #expect(apart(values, category["AP_of_each_threshold"].numbers) < metricTolerance)
      #expect(apart([values.reduce(0, +) / 10], [category["AP"].number]) < metricTolerance)
      let recalls = parameters.thresholds.indices.map {
        evaluation.table.meanRecall(
          thresholds: [$0], categories: [place], limit: parameters.limits.count - 1) ?? -1
      }
      #expect(apart(recalls, category["recall_of_each_threshold"].numbers) < metricTolerance)
    }
    try checkRecalls(evaluation, file["recall_by_category_area_limit"])
    try checkChanged(file, results, parameters)
    for image in file["some_oks"].list {
      try checkSimilarity(image, truth, results, "image", "detections_by_falling_score_against_annotations")
    }
    for one in file["some_ious"].list { try checkOverlap(one, truth, results) }
  }

  private func check(_ evaluation: COCOEvaluation, _ expected: Reference) {
    for statistic in evaluation.statistics {
      let value = expected[statistic.name].number
      #expect(abs(statistic.value - value) < metricTolerance, "\(expected.name): \(statistic.name)")
    }
  }

  /// [category][area][limit][threshold].
  private func checkRecalls(_ evaluation: COCOEvaluation, _ expected: Reference) throws {
    for (category, areas) in expected.list.enumerated() {
      for (area, limits) in areas.list.enumerated() {
        for (limit, recalls) in limits.list.enumerated() {
          let found = evaluation.parameters.thresholds.indices.map {
            evaluation.table.meanRecall(thresholds: [$0], categories: [category], area: area, limit: limit)
              ?? -1
          }
          #expect(apart(found, recalls.numbers) < metricTolerance)
        }
      }
    }
  }

  /// The same data with ids from 0, with annotations of one category only, and without any.
  private func checkChanged(_ file: Reference, _ results: COCOResults, _ parameters: COCOParameters) throws {
    func changed(_ change: ([String: Any]) -> [String: Any]?) throws -> COCOFile {
      var dataset = file["ground_truth"].value as? [String: Any] ?? [:]
      dataset["annotations"] = (dataset["annotations"] as? [[String: Any]] ?? []).compactMap(change)
      return try COCOFile(Reference(name: file.name, value: dataset))
    }
    if file["expected_ids_from_zero"].isThere {
      let lowered = try changed { annotation in
        var annotation = annotation
        annotation["id"] = (annotation["id"] as? Int ?? 0) - 1
        return annotation
      }
      var byID = parameters
      byID.numbering = .byID
      check(
        try COCOEvaluation(truth: lowered, results: results, byID),
        file["expected_ids_from_zero"]["pycocotools"])
      check(try COCOEvaluation(truth: lowered, results: results, parameters), file["expected"])
    }
    if file["expected_only_first_category_annotated"].isThere {
      let first = file["ground_truth"]["categories"][0]["id"].whole
      let one = try changed { $0["category_id"] as? Int == first ? $0 : nil }
      check(
        try COCOEvaluation(truth: one, results: results, parameters),
        file["expected_only_first_category_annotated"])
    }
    if file["expected_without_annotations"].isThere {
      let evaluation = try COCOEvaluation(truth: changed { _ in nil }, results: results, parameters)
      #expect(evaluation.statistics.map(\.value) == file["expected_without_annotations"].numbers)
    }
  }

  private func checkOverlap(_ one: Reference, _ truth: COCOFile, _ results: COCOResults) throws {
    let row = try #require(
      (0..<truth.annotations.count).first { truth.annotations.id($0) == one["annotation"].whole })
    let image = try #require(truth.images.first { $0.id == truth.annotations.imageID(row) })
    func mask(_ segmentation: COCORows.Segmentation) throws -> RunLengthMask {
      switch segmentation {
      case .polygons(let polygons):
        RunLengthMask(polygons: polygons, height: image.height ?? 0, width: image.width ?? 0)
      case .runLengths(let text, let height, let width):
        try RunLengthMask(compressed: text, height: height, width: width)
      case .none: throw RunLengthError.cut(place: 0)
      }
    }
    let overlaps = RunLengthMask.overlaps(
      of: [try mask(results.rows.segmentation(one["detection"].whole))],
      with: [try mask(truth.annotations.segmentation(row))], areCrowds: [truth.annotations.isCrowd(row)])
    #expect(apart(overlaps, [one["iou"].number]) < metricTolerance)
  }

  // MARK: - LVIS

  @Test(arguments: lvis) func federatedPrecisionIsLVIS(_ file: Reference) throws {
    for one in file["cases"].list {
      print("transfer: \(file.name): \(one["iou_type"].text)")
      let evaluation = try LVISEvaluation(
        truth: COCOFile(file["dataset"]), results: COCOResults(file["results"]),
        try #require(OverlapKind(rawValue: one["iou_type"].text)), numbering: .byID)
      #expect(Set(evaluation.statistics.map(\.name)).isSubset(of: DetectionScores.names))
      for statistic in evaluation.statistics {
        #expect(
          abs(statistic.value - one["expected"][statistic.name].number) < metricTolerance, "\(statistic.name)"
        )
      }
      check(evaluation.table.precision, one["expected"]["precision"])
      for (id, values) in one["expected"]["ap_of_category_by_iou"].object {
        let number = try #require(Int(id))
        let place = try #require(evaluation.categoryIDs.firstIndex(of: number))
        let known = values.numbers.filter { !$0.isNaN }
        #expect(apart(evaluation.averagePrecision(category: place) ?? [], known) < metricTolerance)
      }
    }
  }
}
