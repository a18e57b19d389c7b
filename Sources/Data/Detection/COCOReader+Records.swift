// Records and their single values.

extension COCOReader {
  var place: String {
    switch section {
    case .none: "the file"
    case .images: "images[\(images.count)]"
    case .categories: "categories[\(categories.count)]"
    case .annotations: "annotations[\(isInRecord ? rows.count - 1 : rows.count)]"
    case .results: "result \(isInRecord ? rows.count - 1 : rows.count)"
    }
  }

  /// The place with its field.
  var here: String {
    guard isInRecord else { return depth <= 1 ? (section == .none ? "the file" : section.rawValue) : place }
    return "\(place).\(isInRuns ? "segmentation." : "")\(field.name)"
  }

  mutating func fail(_ place: String, _ expected: String, _ found: String) -> Bool {
    failure = .wrongType(path: path, place: place, expected: expected, found: found)
    return false
  }

  private mutating func overLimit(_ place: String, _ limit: Int) -> Bool {
    failure = .overLimit(path: path, place: place, limit: limit)
    return false
  }

  mutating func begin() -> Bool {
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

  mutating func end() -> Bool {
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

  var expected: String {
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

  mutating func number(_ value: Double, _ whole: Int64, isWhole: Bool, isBoolean: Bool = false)
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

  mutating func text(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
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
}
