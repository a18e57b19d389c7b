import Data
import Files

/// The annotations and results that an evaluation counts.
struct EvaluatedRows {
  private(set) var found: [DetectionPairs.Row] = []
  private(set) var truths: [DetectionPairs.Row] = []
  private(set) var truthMarks: TruthMarks
  private(set) var warnings: [String] = []
  private let truth: COCOFile
  private let results: COCOResults
  private var strangers = 0
  private var stranger = 0

  init(
    truth: COCOFile, results: COCOResults, _ parameters: COCOParameters, images: IDTable, categories: IDTable
  ) {
    (self.truth, self.results) = (truth, results)
    truthMarks = TruthMarks(truth.annotations, parameters)
    let annotations = truth.annotations
    let listed = IDTable(truth.images.map(\.id))
    func add(_ row: Int, _ rows: COCORows, to list: inout [DetectionPairs.Row]) {
      let image = images.place(rows.imageID(row))
      let category = parameters.usesCategories ? categories.place(rows.categoryID(row)) : 0
      if image >= 0, category >= 0 {
        list.append(DetectionPairs.Row(row: Int32(row), image: image, category: category))
      }
    }
    let known = IDTable(truth.categories.map(\.id))
    var foreign = 0
    found.reserveCapacity(results.rows.count)
    for row in 0..<results.rows.count {
      add(row, results.rows, to: &found)
      if known.place(results.rows.categoryID(row)) < 0 { foreign += 1 }
      if listed.place(results.rows.imageID(row)) < 0 {
        if strangers == 0 { stranger = results.rows.imageID(row) }
        strangers += 1
      }
    }
    for row in 0..<annotations.count { add(row, annotations, to: &truths) }
    if parameters.numbering == .byID { replaceRepeated(annotations, images, categories, parameters) }
    if foreign > 0, parameters.usesCategories {
      warnings.append(
        "\(counted(foreign, "result", "results")) of categories that \(truth.path) does not list "
          + (foreign == 1 ? "is" : "are") + " left out")
    }
    warnings += Self.warnings(annotations, truth.path, parameters.numbering)
  }

  /// Leaves rows out.
  mutating func keep(
    found isKeptFound: (DetectionPairs.Row) -> Bool, truths isKept: (DetectionPairs.Row) -> Bool
  ) {
    truths = truths.filter(isKept)
    found = found.filter(isKeptFound)
  }

  func check() throws {
    if truth.categories.isEmpty {
      throw COCOFileError.missingKey(path: truth.path, place: "the file", key: "categories")
    }
    if strangers > 0 {
      throw EvaluationError.foreignImages(results: strangers, imageID: stranger, path: truth.path)
    }
    for row in 0..<truth.annotations.count {
      let place = "annotations[\(row)]"
      if truth.annotations.imageID(row) == COCORows.missing {
        throw COCOFileError.missingKey(path: truth.path, place: place, key: "image_id")
      }
      if truth.annotations.categoryID(row) == COCORows.missing {
        throw COCOFileError.missingKey(path: truth.path, place: place, key: "category_id")
      }
    }
  }

  /// As pycocotools looks annotations up: image by image, each replaced by the last one of its id.
  private mutating func replaceRepeated(
    _ annotations: COCORows, _ images: IDTable, _ categories: IDTable, _ parameters: COCOParameters
  ) {
    var last: [Int: Int] = [:]
    for row in 0..<annotations.count { last[annotations.id(row)] = row }
    guard last.count < annotations.count else { return }
    var byImage = Array(repeating: [DetectionPairs.Row](), count: images.count)
    for row in truths { byImage[Int(row.image)].append(row) }
    truths = byImage.joined().compactMap { row in
      let place = last[annotations.id(Int(row.row))] ?? Int(row.row)
      let image = images.place(annotations.imageID(place))
      let category = parameters.usesCategories ? categories.place(annotations.categoryID(place)) : 0
      guard image >= 0, category >= 0 else { return nil }
      return DetectionPairs.Row(row: Int32(place), image: image, category: category)
    }
  }

  private static func warnings(
    _ annotations: COCORows, _ path: String, _ numbering: COCOParameters.Numbering
  ) -> [String] {
    var (zeros, repeated) = (0, 0)
    var seen: Set<Int> = []
    seen.reserveCapacity(annotations.count)
    for row in 0..<annotations.count where annotations.id(row) != COCORows.missing {
      if annotations.id(row) == 0 { zeros += 1 }
      if !seen.insert(annotations.id(row)).inserted { repeated += 1 }
    }
    let change =
      numbering == .byPlace
      ? "they are told apart by their place here; pycocotools gives other numbers (--as pycocotools)"
      : "pycocotools' numbers are given"
    var warnings: [String] = []
    if zeros > 0 {
      warnings.append("\(path): \(counted(zeros, "annotation has", "annotations have")) the id 0; \(change)")
    }
    if repeated > 0 {
      warnings.append(
        "\(path): \(counted(repeated, "annotation has", "annotations have")) the id of an earlier one; \(change)"
      )
    }
    return warnings
  }
}

/// Which annotations count.
struct TruthMarks: Sendable {
  private let annotations: COCORows
  private let overlap: OverlapKind
  private let numbering: COCOParameters.Numbering
  private let rules: COCOParameters.Rules

  init(_ annotations: COCORows, _ parameters: COCOParameters) {
    (self.annotations, overlap, numbering) = (annotations, parameters.overlap, parameters.numbering)
    rules = parameters.rules
  }

  /// Crowds, and persons without a keypoint; LVIS has a field for it.
  func isIgnored(_ row: Int) -> Bool {
    if rules == .lvis { return annotations.isIgnored(row) ?? false }
    if annotations.isCrowd(row) { return true }
    guard overlap == .keypoints else { return false }
    let stated = annotations.keypointCount(row)
    if stated != COCORows.missing { return stated == 0 }
    let points = annotations.keypoints(row)
    return !stride(from: 2, to: points.count, by: 3).contains { points[$0] > 0 }
  }

  func canMatch(_ row: Int) -> Bool { numbering == .byPlace || annotations.id(row) != 0 }
}
