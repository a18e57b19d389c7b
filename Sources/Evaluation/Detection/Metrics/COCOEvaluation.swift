import Data

/// COCO's average precision and recall of boxes, masks or keypoints, as pycocotools 2.0.11 counts them.
package struct COCOEvaluation: Sendable {
  package let parameters: COCOParameters
  /// Ascending; one of −1 where categories are not used.
  package let categoryIDs: [Int]
  package let table: PrecisionTable
  /// Annotations that count, [category, area].
  package let counted: [Int]
  /// Departures from the format that change no number, or might in another program.
  package let warnings: [String]

  /// - Throws: ``EvaluationError`` for results that do not fit the file.
  package init(truth: COCOFile, results: COCOResults, _ parameters: COCOParameters) throws {
    self.parameters = parameters
    let images = IDTable(parameters.imageIDs ?? truth.images.map(\.id))
    let categories = IDTable(
      parameters.usesCategories ? parameters.categoryIDs ?? truth.categories.map(\.id) : [-1])
    categoryIDs = categories.ids
    let rows = EvaluatedRows(
      truth: truth, results: results, parameters, images: images, categories: categories)
    try rows.check()
    warnings = rows.warnings
    let pairs = DetectionPairs(
      found: rows.found, score: { results.rows.score($0) }, truths: rows.truths, images: images.count,
      categories: categories.count, limit: parameters.limits.last ?? 0)
    let matching = PairMatching(
      truth: truth, results: results.rows, parameters, images: images, truths: rows.truthMarks)
    let bits = try matching.match(pairs)
    counted = matching.counted(pairs, categories: categories.count)
    table = PrecisionTable(
      pairs, bits, counted: counted, thresholds: parameters.thresholds, recalls: parameters.recalls,
      categories: categories.count, limits: parameters.limits)
  }

  // MARK: - Summary

  package struct Statistic: Sendable, Equatable {
    /// AP, AP50, …, as COCO's tables name them.
    package var name: String
    /// −1 where there is nothing to find.
    package var value: Double
  }

  /// The 12 numbers of pycocotools' summary, or the 10 of keypoints.
  package var statistics: [Statistic] {
    let limits = parameters.limits
    if parameters.overlap == .keypoints {
      return [
        precision("AP", limit: 20), precision("AP50", 0.5, limit: 20), precision("AP75", 0.75, limit: 20),
        precision("APm", area: 1, limit: 20), precision("APl", area: 2, limit: 20),
        recall("AR", limit: 20), recall("AR50", 0.5, limit: 20), recall("AR75", 0.75, limit: 20),
        recall("ARm", area: 1, limit: 20), recall("ARl", area: 2, limit: 20),
      ]
    }
    let (last, most) = (limits.count > 2 ? limits[2] : limits.last ?? 0, limits)
    return [
      // pycocotools reads the first at 100 whatever the limits are.
      precision("AP", limit: 100), precision("AP50", 0.5, limit: last), precision("AP75", 0.75, limit: last),
      precision("APs", area: 1, limit: last), precision("APm", area: 2, limit: last),
      precision("APl", area: 3, limit: last),
    ] + most.prefix(3).map { recall("AR\($0)", limit: $0) } + [
      recall("ARs", area: 1, limit: last), recall("ARm", area: 2, limit: last),
      recall("ARl", area: 3, limit: last),
    ]
  }

  private func precision(_ name: String, _ threshold: Double? = nil, area: Int = 0, limit: Int) -> Statistic {
    statistic(name, threshold, area, limit) { table.meanPrecision(thresholds: $0, area: area, limit: $1) }
  }

  private func recall(_ name: String, _ threshold: Double? = nil, area: Int = 0, limit: Int) -> Statistic {
    statistic(name, threshold, area, limit) { table.meanRecall(thresholds: $0, area: area, limit: $1) }
  }

  private func statistic(
    _ name: String, _ threshold: Double?, _ area: Int, _ limit: Int, _ mean: ([Int], Int) -> Double?
  ) -> Statistic {
    let chosen = parameters.thresholds.indices.filter {
      threshold == nil || parameters.thresholds[$0] == threshold
    }
    let place = parameters.limits.firstIndex(of: limit)
    let isThere = area < parameters.areas.count
    return Statistic(name: name, value: isThere ? place.flatMap { mean(chosen, $0) } ?? -1 : -1)
  }

  /// Average precision of a category at each threshold, or nil without annotations, at the highest limit.
  package func averagePrecision(category: Int) -> [Double]? {
    let limit = parameters.limits.count - 1
    let values = parameters.thresholds.indices.compactMap {
      table.meanPrecision(thresholds: [$0], categories: [category], limit: limit)
    }
    return values.isEmpty ? nil : values
  }
}

extension COCOEvaluation {
  /// Keypoint similarities of an image: detections by falling score, times annotations.
  package static func keypointSimilarities(
    truth: COCOFile, results: COCOResults, imageID: Int, _ parameters: COCOParameters
  ) throws -> [Double] {
    let similarity = KeypointSimilarity(parameters.sigmas)
    let found = (0..<results.rows.count).filter { results.rows.imageID($0) == imageID }
      .sorted { results.rows.score($0) > results.rows.score($1) }.prefix(parameters.limits.last ?? 0)
    let truths = (0..<truth.annotations.count).filter { truth.annotations.imageID($0) == imageID }
    return try found.flatMap { row in
      try truths.map { try similarity.value(of: results.rows.keypoints(row), with: truth.annotations, $0) }
    }
  }
}
