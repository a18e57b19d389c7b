import CJSON
import Files
import Foundation
import Torch

/// Reads a COCO file or one of results piece by piece, from yajl's events into columns.
struct COCOReader {
  enum Kind { case truth, results }

  private enum Section: String {
    case none = "", images, categories, annotations, results
  }

  private(set) var images: [COCOFile.Image] = []
  private(set) var categories: [COCOFile.Category] = []
  private(set) var rows = COCORows()

  private let path: String
  private let kind: Kind
  private let limits: COCOLimits
  private(set) var failure: COCOFileError?

  // MARK: - The place in the file

  private var depth = 0
  /// Objects and lists that are open within a value that is skipped.
  private var skipped = 0
  private var section = Section.none
  private var foundImages = false
  private var isInRecord = false
  private var field = COCOField.other
  /// Lists that are open within the field.
  private var lists = 0
  private var isInRuns = false
  private let rowKeys = COCOField.Keys(COCOField.rows)
  private let imageKeys = COCOField.Keys(COCOField.images)
  private let categoryKeys = COCOField.Keys(COCOField.categories)
  private let runKeys = COCOField.Keys(COCOField.runLengths)

  // MARK: - The record

  private var id = COCORows.missing
  private var image = COCOFile.Image(id: 0)
  private var category = COCOFile.Category(id: 0, name: "", keypoints: [])
  private var hasName = false
  private var boxPlaces = 0
  private var runs: [UInt32] = []
  private var text: [UInt8]?
  private var sides: [Int] = []
  /// The list of a segmentation is one outline, not a list of these.
  private var isFlat = false

  private init(_ path: String, _ kind: Kind, _ limits: COCOLimits) {
    (self.path, self.kind, self.limits) = (path, kind, limits)
  }

  // MARK: - Reading

  static func read(
    _ path: String, as kind: Kind, _ limits: COCOLimits
  ) throws -> (images: [COCOFile.Image], categories: [COCOFile.Category], rows: COCORows) {
    let file = try FileReader(path)
    var reader = COCOReader(path, kind, limits)
    try withUnsafeMutablePointer(to: &reader) { reader in
      var events = COCOReader.events
      guard let parser = cj_parser_make(&events, reader, Int32(limits.depth), limits.length) else {
        throw FileError(.read, path, code: ENOMEM)
      }
      defer { cj_parser_free(parser) }
      try file.forEachBlock(of: 0..<file.count) { block in
        try check(cj_parser_feed(parser, block.baseAddress, block.count), parser, reader.pointee)
      }
      try check(cj_parser_finish(parser), parser, reader.pointee)
    }
    if kind == .truth, !reader.foundImages {
      throw COCOFileError.missingKey(path: path, place: "the file", key: "images")
    }
    return (reader.images, reader.categories, reader.rows)
  }

  private static func check(_ status: cj_status, _ parser: OpaquePointer, _ reader: COCOReader) throws {
    let (path, byte) = (reader.path, Int(cj_parser_place(parser)))
    switch status {
    case .ok: return
    case .stopped:
      throw reader.failure ?? .notJSON(path: path, byte: byte, reason: "the reading stopped")
    case .tooDeep: throw COCOFileError.tooDeep(path: path, byte: byte, limit: reader.limits.depth)
    case .tooLong: throw COCOFileError.tooLong(path: path, byte: byte, limit: reader.limits.length)
    case .overflow:
      throw COCOFileError.notJSON(path: path, byte: byte, reason: "a number beyond the range of numbers")
    case .syntax:
      throw COCOFileError.notJSON(path: path, byte: byte, reason: String(cString: cj_parser_message(parser)))
    case .outOfMemory: throw FileError(.read, path, code: ENOMEM)
    }
  }

  private static var events: cj_events {
    cj_events(
      null: { reader($0).pointee.null() ? 1 : 0 },
      boolean: { reader($0).pointee.number(Double($1), Int64($1), isWhole: true, isBoolean: true) ? 1 : 0 },
      number: { reader($0).pointee.number($1, $2, isWhole: $3 != 0) ? 1 : 0 },
      text: { reader($0).pointee.text(UnsafeBufferPointer(start: $1, count: $2)) ? 1 : 0 },
      key: { reader($0).pointee.key(UnsafeBufferPointer(start: $1, count: $2)) ? 1 : 0 },
      object_start: { reader($0).pointee.objectStart() ? 1 : 0 },
      object_end: { reader($0).pointee.objectEnd() ? 1 : 0 },
      array_start: { reader($0).pointee.listStart() ? 1 : 0 },
      array_end: { reader($0).pointee.listEnd() ? 1 : 0 })
  }

  // MARK: - Events

  private mutating func objectStart() -> Bool {
    depth += 1
    if skipped > 0 {
      skipped += 1
      return true
    }
    if depth == 1 { return kind == .truth || fail("the file", "a list of results", "an object") }
    if isInRecord {
      if field == .segmentation, lists == 0, !isInRuns {
        (isInRuns, field, text, sides) = (true, .other, nil, [])
        runs.removeAll(keepingCapacity: true)
        return true
      }
      if field == .other {
        skipped = 1
        return true
      }
      return fail(here, expected, "an object")
    }
    guard section != .none else {
      skipped = 1
      return true
    }
    return begin()
  }

  private mutating func objectEnd() -> Bool {
    depth -= 1
    if skipped > 0 {
      skipped -= 1
      return true
    }
    if isInRuns { return endRuns() }
    if isInRecord { return end() }
    return true
  }

  private mutating func listStart() -> Bool {
    depth += 1
    if skipped > 0 {
      skipped += 1
      return true
    }
    if depth == 1 {
      section = .results
      return kind == .results || fail("the file", "an object with images and annotations", "a list")
    }
    guard isInRecord else {
      if section == .none { skipped = 1 }
      // A list in the list of records.
      return section == .none || depth == 2 || fail(here, "an object", "a list")
    }
    return beginList()
  }

  private mutating func listEnd() -> Bool {
    depth -= 1
    if skipped > 0 {
      skipped -= 1
    } else if isInRecord {
      lists -= 1
      return endList()
    } else {
      section = .none
    }
    return true
  }

  private mutating func key(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    if skipped > 0 { return true }
    if isInRecord {
      switch section {
      case .images: field = imageKeys.field(bytes)
      case .categories: field = categoryKeys.field(bytes)
      default: field = isInRuns ? runKeys.field(bytes) : rowKeys.field(bytes)
      }
      return true
    }
    switch String(decoding: bytes, as: UTF8.self) {
    case "images": (section, foundImages) = (.images, true)
    case "categories": section = .categories
    case "annotations": section = .annotations
    default: section = .none
    }
    return true
  }

  private mutating func null() -> Bool {
    // Null is as if the key were not there.
    if skipped > 0 || (isInRecord ? lists == 0 : section == .none) { return true }
    return fail(here, isInRecord ? "a number" : "a list of objects", "null")
  }

  // MARK: - Records

  private var place: String {
    switch section {
    case .none: "the file"
    case .images: "images[\(images.count)]"
    case .categories: "categories[\(categories.count)]"
    case .annotations: "annotations[\(isInRecord ? rows.count - 1 : rows.count)]"
    case .results: "result \(isInRecord ? rows.count - 1 : rows.count)"
    }
  }

  /// The place with its field.
  private var here: String {
    guard isInRecord else { return depth <= 1 ? (section == .none ? "the file" : section.rawValue) : place }
    return "\(place).\(isInRuns ? "segmentation." : "")\(field.name)"
  }

  private mutating func fail(_ place: String, _ expected: String, _ found: String) -> Bool {
    failure = .wrongType(path: path, place: place, expected: expected, found: found)
    return false
  }

  private mutating func overLimit(_ place: String, _ limit: Int) -> Bool {
    failure = .overLimit(path: path, place: place, limit: limit)
    return false
  }

  private mutating func begin() -> Bool {
    let (count, limit) =
      switch section {
      case .images: (images.count, limits.images)
      case .categories: (categories.count, limits.categories)
      default: (rows.count, limits.rows)
      }
    guard count < limit else { return overLimit(section.rawValue, limit) }
    (isInRecord, field, lists, isInRuns, id) = (true, .other, 0, false, COCORows.missing)
    switch section {
    case .images: image = COCOFile.Image(id: 0)
    case .categories: (category, hasName) = (COCOFile.Category(id: 0, name: "", keypoints: []), false)
    default: rows.count += 1
    }
    return true
  }

  private mutating func end() -> Bool {
    defer { isInRecord = false }
    switch section {
    case .images:
      guard id != COCORows.missing else { return lacks(.id) }
      image.id = id
      images.append(image)
    case .categories:
      guard id != COCORows.missing else { return lacks(.id) }
      category.id = id
      if !hasName { category.name = String(id) }
      categories.append(category)
    case .results:
      let row = rows.count - 1
      if rows.imageIDs[row] == COCORows.missing { return lacks(.imageID) }
      if rows.categoryIDs[row] == COCORows.missing { return lacks(.categoryID) }
      if rows.scores[row].isNaN { return lacks(.score) }
    default: break
    }
    return true
  }

  private mutating func lacks(_ key: COCOField) -> Bool {
    failure = .missingKey(path: path, place: place, key: key.name)
    return false
  }

  // MARK: - Values

  private var expected: String {
    switch field {
    case .id, .imageID, .categoryID, .height, .width, .keypointCount: "a whole number"
    case .area, .score: "a number"
    case .isCrowd, .ignore: "0 or 1"
    case .fileName, .cocoURL, .flickrURL, .name, .frequency: "a text"
    case .box: "a list of four numbers"
    case .keypoints: section == .categories ? "a list of names" : "a list of numbers"
    case .negativeCategories, .notExhaustiveCategories: "a list of whole numbers"
    case .segmentation: "outlines or run lengths"
    case .size: "height and width"
    case .counts: "run lengths"
    case .other: "a value"
    }
  }

  private mutating func number(_ value: Double, _ whole: Int64, isWhole: Bool, isBoolean: Bool = false)
    -> Bool
  {
    if skipped > 0 { return true }
    guard isInRecord else { return section == .none || fail(here, "a list of objects", "a number") }
    if field == .other { return true }
    let row = rows.count - 1
    let isRight: Bool
    switch field {
    case .id, .imageID, .categoryID, .height, .width, .keypointCount:
      isRight = lists == 0 && isWhole && !isBoolean
      if isRight { set(Int(whole), row) }
    case .area, .score:
      isRight = lists == 0 && !isBoolean
      if isRight { if field == .area { rows.areas.set(value, row) } else { rows.scores.set(value, row) } }
    case .isCrowd, .ignore:
      isRight = lists == 0 && isWhole && (0...1).contains(whole)
      if isRight {
        if field == .ignore { rows.ignores.set(whole == 1, row) } else { rows.crowds.set(whole == 1, row) }
      }
    case .box:
      isRight = lists == 1 && boxPlaces < 4 && !isBoolean
      if isRight { rows.boxes.set(value, row, boxPlaces) }
      boxPlaces += 1
    case .keypoints:
      isRight = section != .categories && lists == 1 && !isBoolean
      if isRight { rows.keypointNumbers.append(number: value) }
    case .segmentation:
      // One outline may stand there without the list around it.
      isRight = !isBoolean && (lists == 2 || (lists == 1 && (isFlat || rows.shapes[row].count == 1)))
      if isRight {
        if lists == 1 { isFlat = true }
        rows.shapes.append(number: value)
      }
    case .negativeCategories, .notExhaustiveCategories:
      isRight = lists == 1 && isWhole && !isBoolean
      if isRight { append(category: Int(whole)) }
    case .size:
      isRight = lists == 1 && isWhole && sides.count < 2 && (0...Int64(Int32.max)).contains(whole)
      if isRight { sides.append(Int(whole)) }
    case .counts:
      isRight = lists == 1 && isWhole && (0...Int64(UInt32.max)).contains(whole)
      if isRight { runs.append(UInt32(whole)) }
    default: isRight = false
    }
    return isRight || fail(here, expected, isBoolean ? "true or false" : Self.text(of: value, whole, isWhole))
  }

  private static func text(of value: Double, _ whole: Int64, _ isWhole: Bool) -> String {
    isWhole ? "\(whole)" : "\(value)"
  }

  private mutating func set(_ whole: Int, _ row: Int) {
    switch field {
    case .id:
      id = whole
      if section == .annotations { rows.ids.set(whole, row) }
    case .imageID: rows.imageIDs.set(whole, row)
    case .categoryID: rows.categoryIDs.set(whole, row)
    case .height: image.height = whole
    case .width: image.width = whole
    default: rows.keypointCounts.set(whole, row)
    }
  }

  private mutating func append(category: Int) {
    if field == .negativeCategories {
      image.negativeCategoryIDs?.append(category)
    } else {
      image.notExhaustiveCategoryIDs?.append(category)
    }
  }

  private mutating func text(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    if skipped > 0 { return true }
    guard isInRecord else { return section == .none || fail(here, "a list of objects", "a text") }
    switch (field, lists) {
    case (.other, _): break
    case (.fileName, 0): image.fileName = String(decoding: bytes, as: UTF8.self)
    case (.cocoURL, 0): image.url = String(decoding: bytes, as: UTF8.self)
    case (.flickrURL, 0): image.url = image.url ?? String(decoding: bytes, as: UTF8.self)
    case (.name, 0): (category.name, hasName) = (String(decoding: bytes, as: UTF8.self), true)
    case (.frequency, 0): category.frequency = String(decoding: bytes, as: UTF8.self)
    case (.keypoints, 1) where section == .categories:
      category.keypoints.append(String(decoding: bytes, as: UTF8.self))
    case (.counts, 0): text = Array(bytes)
    default: return fail(here, expected, "a text")
    }
    return true
  }

  // MARK: - Lists in records

  private mutating func beginList() -> Bool {
    let row = rows.count - 1
    let most: Int
    switch field {
    case .other:
      skipped = 1
      return true
    case .segmentation: most = 2
    case .box, .keypoints, .size, .counts, .negativeCategories, .notExhaustiveCategories: most = 1
    default: most = 0
    }
    guard lists < most, !(lists == 1 && isFlat) else { return fail(here, expected, "a list") }
    lists += 1
    guard lists == 1 else { return true }
    switch field {
    case .box: boxPlaces = 0
    case .keypoints where section != .categories: rows.keypointNumbers.begin(row)
    case .segmentation:
      isFlat = false
      rows.shapes.begin(row)
      rows.shapes.append(COCORows.polygonKind)
    case .negativeCategories: image.negativeCategoryIDs = []
    case .notExhaustiveCategories: image.notExhaustiveCategoryIDs = []
    default: break
    }
    return true
  }

  /// `lists` is now the number of those that are still open.
  private mutating func endList() -> Bool {
    let row = rows.count - 1
    switch field {
    case .box where boxPlaces != 4 && boxPlaces != 0:
      return fail(here, expected, "a list of \(boxPlaces)")
    case .segmentation:
      if lists == 1 || isFlat { rows.shapes.appendEnd() }
      // An empty list is no segmentation.
      if lists == 0, rows.shapes[row].count == 1 { rows.shapes.begin(row) }
    default: break
    }
    return true
  }

  private mutating func endRuns() -> Bool {
    isInRuns = false
    let row = rows.count - 1
    defer { field = .other }
    guard sides.count == 2 else {
      failure = .missingKey(path: path, place: "\(place).segmentation", key: COCOField.size.name)
      return false
    }
    if text == nil, runs.isEmpty {
      failure = .missingKey(path: path, place: "\(place).segmentation", key: COCOField.counts.name)
      return false
    }
    rows.setRuns(text ?? RunLengthMask.text(of: runs), height: sides[0], width: sides[1], row)
    return true
  }
}

private func reader(_ context: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<COCOReader> {
  // The context is the reader that `read` handed over.
  context.unsafelyUnwrapped.assumingMemoryBound(to: COCOReader.self)
}
