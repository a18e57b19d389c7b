import CJSON
import Files
import Foundation

/// Reads a COCO file or one of results piece by piece, from yajl's events into columns.
///
/// Here is the file: its sections and the records in them. `COCOReader+Records` reads a record's single values,
/// `COCOReader+Lists` its lists and masks.
struct COCOReader {
  enum Kind { case truth, results }

  enum Section: String {
    case none = "", images, categories, annotations, results
  }

  var images: [COCOFile.Image] = []
  var categories: [COCOFile.Category] = []
  var rows = COCORows()

  let path: String
  let kind: Kind
  let limits: COCOLimits
  var failure: COCOFileError?

  // MARK: - The place in the file

  var depth = 0
  /// Objects and lists that are open within a value that is skipped.
  var skipped = 0
  var section = Section.none
  var foundImages = false
  var isInRecord = false
  var field = COCOField.other
  /// Lists that are open within the field.
  var lists = 0
  var isInRuns = false
  private let rowKeys = COCOField.Keys(COCOField.rows)
  private let imageKeys = COCOField.Keys(COCOField.images)
  private let categoryKeys = COCOField.Keys(COCOField.categories)
  private let runKeys = COCOField.Keys(COCOField.runLengths)

  // MARK: - The record

  var id = COCORows.missing
  var image = COCOFile.Image(id: 0)
  var category = COCOFile.Category(id: 0, name: "", keypoints: [])
  var hasName = false
  var boxPlaces = 0
  var runs: [UInt32] = []
  var text: [UInt8]?
  var sides: [Int] = []
  /// The list of a segmentation is one outline, not a list of these.
  var isFlat = false

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
}

private func reader(_ context: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<COCOReader> {
  // The context is the reader that `read` handed over.
  context.unsafelyUnwrapped.assumingMemoryBound(to: COCOReader.self)
}
