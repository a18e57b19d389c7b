import Data
import Torch

/// LVIS's average precision of boxes or masks, as lvis 0.5.3 counts it.
///
/// Only a part of an image's categories is annotated. Detections of the others count neither way.
package struct LVISEvaluation: Sendable {
  /// Detections of an image, of all categories together, that count.
  package let limit: Int
  package let categoryIDs: [Int]
  package let table: PrecisionTable
  package let counted: [Int]
  package let warnings: [String]
  package let parameters: COCOParameters
  /// Places of the rare, common and frequent categories.
  private let groups: [[Int]]

  /// - Throws: ``EvaluationError`` for results that do not fit the file.
  package init(
    truth: COCOFile, results: COCOResults, _ overlap: OverlapKind, limit: Int = 300,
    numbering: COCOParameters.Numbering = .byPlace
  ) throws {
    var parameters = COCOParameters(overlap)
    let (small, medium, all) = (32.0 * 32, 96.0 * 96, 1e5 * 1e5)
    parameters.areas = [0...all, 0...small, small...medium, medium...all]
    parameters.limits = [limit]
    parameters.numbering = numbering
    parameters.rules = .lvis
    (self.parameters, self.limit) = (parameters, limit)
    let images = IDTable(truth.images.map(\.id))
    let categories = IDTable(truth.categories.map(\.id))
    categoryIDs = categories.ids
    var rows = EvaluatedRows(
      truth: truth, results: results, parameters, images: images, categories: categories)
    try rows.check()
    warnings = rows.warnings
    let federation = Federation(truth, images, categories)
    let area = try Self.areas(of: results.rows)
    let best = Self.best(limit, of: results.rows, images)
    var annotated = federation.negatives
    for row in rows.truths where truth.annotations.area(Int(row.row)) > 0 {
      annotated.insert(Federation.key(row.image, row.category))
    }
    rows.keep(
      found: {
        best[Int($0.row)] && area(Int($0.row)) > 0
          && annotated.contains(Federation.key($0.image, $0.category))
      }, truths: { truth.annotations.area(Int($0.row)) > 0 })
    let pairs = DetectionPairs(
      found: rows.found, score: { results.rows.score($0) }, truths: rows.truths, images: images.count,
      categories: categories.count, limit: limit)
    let matching = PairMatching(
      truth: truth, results: results.rows, parameters, images: images, truths: rows.truthMarks)
    let bits = try matching.match(pairs) {
      federation.notExhaustive.contains(Federation.key($0.image, $0.category))
    }
    counted = matching.counted(pairs, categories: categories.count)
    table = PrecisionTable(
      pairs, bits, counted: counted, thresholds: parameters.thresholds, recalls: parameters.recalls,
      categories: categories.count, limits: [limit])
    let frequencies = Dictionary(truth.categories.map { ($0.id, $0.frequency) }) { first, _ in first }
    groups = ["r", "c", "f"].map { name in
      categories.ids.indices.filter { frequencies[categories.ids[$0]] == name }
    }
  }

  /// Of a result: its box's, where the first has one, or else its mask's.
  private static func areas(of results: COCORows) throws -> (Int) -> Double {
    if results.count == 0 || results.hasBox(0) { return { results.box($0)[2] * results.box($0)[3] } }
    var areas: [Double] = []
    var pool = MaskPool()
    for row in 0..<results.count {
      pool.removeAll()
      do {
        let isThere = try results.withRunLengths(row) { try pool.append(text: $0, height: $1, width: $2) }
        guard isThere else { throw EvaluationError.lacks("segmentation", place: "result \(row)") }
      } catch let error as RunLengthError {
        throw EvaluationError.badMask(place: "result \(row)", reason: "\(error)")
      }
      areas.append(Double(pool.area(0)))
    }
    return { areas[$0] }
  }

  /// Whether each result is among the `limit` of its image with the highest scores.
  private static func best(_ limit: Int, of results: COCORows, _ images: IDTable) -> [Bool] {
    var isBest = Array(repeating: true, count: results.count)
    var byImage = Array(repeating: [Int32](), count: images.count)
    for row in 0..<results.count {
      let image = images.place(results.imageID(row))
      if image >= 0 { byImage[Int(image)].append(Int32(row)) }
    }
    for rows in byImage where rows.count > limit {
      for row in rows.sorted(by: { results.score(Int($0)) > results.score(Int($1)) }).dropFirst(limit) {
        isBest[Int(row)] = false
      }
    }
    return isBest
  }

  /// The 13 numbers of LVIS's summary; −1 where there is nothing to find.
  package var statistics: [COCOEvaluation.Statistic] {
    func threshold(_ value: Double) -> [Int] {
      parameters.thresholds.indices.filter { parameters.thresholds[$0] == value }
    }
    func precision(_ name: String, _ thresholds: [Int]? = nil, _ group: [Int]? = nil, area: Int = 0)
      -> COCOEvaluation.Statistic
    {
      let value = table.meanPrecision(thresholds: thresholds, categories: group, area: area, limit: 0)
      return COCOEvaluation.Statistic(name: name, value: value ?? -1)
    }
    func recall(_ name: String, area: Int) -> COCOEvaluation.Statistic {
      COCOEvaluation.Statistic(name: "\(name)@\(limit)", value: table.meanRecall(area: area, limit: 0) ?? -1)
    }
    return [
      precision("AP"), precision("AP50", threshold(0.5)), precision("AP75", threshold(0.75)),
      precision("APs", area: 1), precision("APm", area: 2), precision("APl", area: 3),
      precision("APr", nil, groups[0]), precision("APc", nil, groups[1]), precision("APf", nil, groups[2]),
      recall("AR", area: 0), recall("ARs", area: 1), recall("ARm", area: 2), recall("ARl", area: 3),
    ]
  }

  /// Average precision of a category at each threshold, or nil without annotations.
  package func averagePrecision(category: Int) -> [Double]? {
    let values = parameters.thresholds.indices.compactMap {
      table.meanPrecision(thresholds: [$0], categories: [category], limit: 0)
    }
    return values.isEmpty ? nil : values
  }
}

/// LVIS's lists of an image's categories.
private struct Federation {
  /// Known not to be there.
  private(set) var negatives: Set<Int64> = []
  /// Not all annotated.
  private(set) var notExhaustive: Set<Int64> = []

  init(_ truth: COCOFile, _ images: IDTable, _ categories: IDTable) {
    for image in truth.images {
      let place = images.place(image.id)
      func keys(_ ids: [Int]?) -> [Int64] {
        (ids ?? []).map { categories.place($0) }.filter { $0 >= 0 }.map { Self.key(place, $0) }
      }
      negatives.formUnion(keys(image.negativeCategoryIDs))
      notExhaustive.formUnion(keys(image.notExhaustiveCategoryIDs))
    }
  }

  static func key(_ image: Int32, _ category: Int32) -> Int64 { Int64(image) << 32 | Int64(category) }
}
