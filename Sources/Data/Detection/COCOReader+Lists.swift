import Torch

// Lists in records, and run lengths.

extension COCOReader {
  mutating func beginList() -> Bool {
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
  mutating func endList() -> Bool {
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

  mutating func endRuns() -> Bool {
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
