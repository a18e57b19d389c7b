import Files
import Torch

/// A COCO or LVIS file: images, categories, and annotations that keep their place.
package struct COCOFile: Sendable {
  package struct Image: Sendable, Equatable {
    package var id: Int
    package var fileName: String?
    /// `coco_url`, which LVIS has in place of a name, or `flickr_url`.
    package var url: String?
    package var height: Int?
    package var width: Int?
    /// LVIS: categories that are known not to be in the image; nil where the file has none of these lists.
    package var negativeCategoryIDs: [Int]?
    /// LVIS: categories of which not every object is annotated.
    package var notExhaustiveCategoryIDs: [Int]?

    package init(id: Int, fileName: String? = nil, height: Int? = nil, width: Int? = nil) {
      (self.id, self.fileName, self.height, self.width) = (id, fileName, height, width)
    }
  }

  package struct Category: Sendable, Equatable {
    package var id: Int
    /// The id where the file gives no name.
    package var name: String
    /// LVIS: r, c or f.
    package var frequency: String?
    /// Names, in the order of the annotations' keypoints.
    package var keypoints: [String]

    package init(id: Int, name: String, frequency: String? = nil, keypoints: [String] = []) {
      (self.id, self.name, self.frequency, self.keypoints) = (id, name, frequency, keypoints)
    }
  }

  package let path: String
  package let images: [Image]
  package let categories: [Category]
  package let annotations: COCORows

  /// - Throws: ``COCOFileError``, `FileError`.
  package init(_ path: String, limits: COCOLimits = COCOLimits()) throws {
    let parts = try COCOReader.read(path, as: .truth, limits)
    (self.path, images, categories, annotations) = (path, parts.images, parts.categories, parts.rows)
  }

  package init(path: String, images: [Image], categories: [Category], annotations: COCORows) {
    (self.path, self.images, self.categories, self.annotations) = (path, images, categories, annotations)
  }
}

/// A file of COCO's results format: a list of detections.
package struct COCOResults: Sendable {
  package let path: String
  package let rows: COCORows

  /// - Throws: ``COCOFileError``, `FileError`.
  package init(_ path: String, limits: COCOLimits = COCOLimits()) throws {
    (self.path, rows) = (path, try COCOReader.read(path, as: .results, limits).rows)
  }

  package init(path: String, rows: COCORows) { (self.path, self.rows) = (path, rows) }
}

/// The largest sizes that are read.
package struct COCOLimits: Sendable {
  /// Of objects and lists within each other.
  package var depth = 32
  /// Bytes of one text or number, or between two.
  package var length = 64 << 20
  package var images = 50_000_000
  package var categories = 1_000_000
  package var rows = 500_000_000

  package init() {}
}

/// Annotations or results in the order of their file, a column a field.
package struct COCORows: Sendable {
  /// In place of a whole number that a row does not have.
  package static let missing = Int.min

  package enum Segmentation: Sendable, Equatable {
    case none
    /// Outlines x, y, x, y, … of any length, as written.
    case polygons([[Double]])
    /// COCO's text, unchecked.
    case runLengths([UInt8], height: Int, width: Int)
  }

  package internal(set) var count = 0
  var ids = COCOColumn(missing: missing)
  var imageIDs = COCOColumn(missing: missing)
  var categoryIDs = COCOColumn(missing: missing)
  var boxes = COCOColumn(missing: Double.nan, width: 4)
  var areas = COCOColumn(missing: Double.nan)
  var scores = COCOColumn(missing: Double.nan)
  var crowds = COCOColumn(missing: false)
  var ignores = COCOColumn<Bool?>(missing: nil)
  var keypointCounts = COCOColumn(missing: missing)
  var keypointNumbers = COCOBlobs()
  var shapes = COCOBlobs()

  package init() {}

  /// ``missing`` where there is none; it may be 0, or come twice.
  package func id(_ row: Int) -> Int { ids[row] }
  package func imageID(_ row: Int) -> Int { imageIDs[row] }
  package func categoryID(_ row: Int) -> Int { categoryIDs[row] }
  /// NaN where there is none.
  package func area(_ row: Int) -> Double { areas[row] }
  package func score(_ row: Int) -> Double { scores[row] }
  package func isCrowd(_ row: Int) -> Bool { crowds[row] }
  /// Nil where the row does not have it.
  package func isIgnored(_ row: Int) -> Bool? { ignores[row] }
  /// `num_keypoints`, or ``missing``.
  package func keypointCount(_ row: Int) -> Int { keypointCounts[row] }

  package func hasBox(_ row: Int) -> Bool { !boxes[row].isNaN }
  /// x, y, width, height as written; NaN where there is no box.
  package func box(_ row: Int) -> SIMD4<Double> {
    SIMD4(boxes[row, 0], boxes[row, 1], boxes[row, 2], boxes[row, 3])
  }

  /// x, y, visibility, …, as written.
  package func keypoints(_ row: Int) -> [Double] {
    let range = keypointNumbers[row]
    var place = range.lowerBound
    return keypointNumbers.numbers(from: &place, to: range.upperBound)
  }

  package func hasSegmentation(_ row: Int) -> Bool { !shapes[row].isEmpty }

  package func segmentation(_ row: Int) -> Segmentation {
    let range = shapes[row]
    guard let kind = range.first.map({ shapes.bytes[$0] }) else { return .none }
    var place = range.lowerBound + 1
    if kind == Self.polygonKind {
      var polygons: [[Double]] = []
      while place < range.upperBound { polygons.append(shapes.numbers(from: &place, to: range.upperBound)) }
      return .polygons(polygons)
    }
    let height = Int(shapes.code(at: &place)), width = Int(shapes.code(at: &place))
    return .runLengths(Array(shapes.bytes[place..<range.upperBound]), height: height, width: width)
  }

  /// Calls `body` with COCO's text of run lengths, where the row has these, and returns whether it has.
  package func withRunLengths(
    _ row: Int, _ body: (_ text: UnsafeBufferPointer<UInt8>, _ height: Int, _ width: Int) throws -> Void
  ) rethrows -> Bool {
    let range = shapes[row]
    guard range.count > 1, shapes.bytes[range.lowerBound] == Self.runLengthKind else { return false }
    var place = range.lowerBound + 1
    let height = Int(shapes.code(at: &place)), width = Int(shapes.code(at: &place))
    try shapes.bytes.withUnsafeBufferPointer {
      try body(UnsafeBufferPointer(rebasing: $0[place..<range.upperBound]), height, width)
    }
    return true
  }

  static let polygonKind: UInt8 = 1
  static let runLengthKind: UInt8 = 2

  // MARK: - Writing

  /// Adds an empty row; the setters below change it until the next one is added.
  package mutating func add(imageID: Int, categoryID: Int, id: Int? = nil) {
    count += 1
    imageIDs.set(imageID, count - 1)
    categoryIDs.set(categoryID, count - 1)
    if let id { ids.set(id, count - 1) }
  }

  package mutating func set(score: Double) { scores.set(score, count - 1) }
  package mutating func set(area: Double) { areas.set(area, count - 1) }
  package mutating func set(isCrowd: Bool) { crowds.set(isCrowd, count - 1) }
  package mutating func set(box: SIMD4<Double>) {
    for place in 0..<4 { boxes.set(box[place], count - 1, place) }
  }

  package mutating func set(mask: RunLengthMask) {
    setRuns(mask.compressed, height: mask.height, width: mask.width, count - 1)
  }

  mutating func setRuns(_ text: [UInt8], height: Int, width: Int, _ row: Int) {
    shapes.begin(row)
    shapes.append(Self.runLengthKind)
    shapes.append(code: UInt64(height))
    shapes.append(code: UInt64(width))
    shapes.append(contentsOf: text)
  }
}
