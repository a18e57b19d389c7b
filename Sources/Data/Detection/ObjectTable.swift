import Torch

/// The objects of many images in compact rows: a data set has a million of them. Masks stay packed until they are
/// asked for.
package struct ObjectTable: Sendable {
  private struct Row {
    var box: BoundingBox
    /// NaN where it is not given.
    var area: Double
    /// Where its mask begins in ``masks``; -1 without one.
    var mask: Int
    /// Where its keypoints begin; -1 without.
    var keypoints: Int32
    var keypointCount: Int32
    var classIndex: Int32
    var isCrowd: Bool
    var isDifficult: Bool
  }

  private var rows: [Row] = []
  /// Where each image's rows begin, and the end of the last one's.
  private var starts = [0]
  private var masks = PackedMasks()
  private var keypoints: [Keypoint] = []

  package init() {}

  /// Images.
  package var count: Int { starts.count - 1 }
  package var objectCount: Int { rows.count }

  /// Adds an image.
  package mutating func append(_ objects: [AnnotatedObject]) {
    for object in objects {
      var row = Row(
        box: object.box, area: object.area ?? .nan, mask: -1, keypoints: -1,
        keypointCount: Int32(object.keypoints.count), classIndex: Int32(object.classIndex),
        isCrowd: object.isCrowd, isDifficult: object.isDifficult)
      if let mask = object.mask { row.mask = masks.append(mask) }
      if !object.keypoints.isEmpty {
        row.keypoints = Int32(keypoints.count)
        keypoints += object.keypoints
      }
      rows.append(row)
    }
    starts.append(rows.count)
  }

  /// The objects of an image.
  package subscript(image: Int) -> [AnnotatedObject] { rows[range(image)].map(object) }

  package func forEachClass(_ image: Int, _ body: (Int) -> Void) {
    for row in rows[range(image)] { body(Int(row.classIndex)) }
  }

  /// Each once, ascending.
  package func classes(_ image: Int) -> [Int] {
    Set(rows[range(image)].map { Int($0.classIndex) }).sorted()
  }

  private func range(_ image: Int) -> Range<Int> { starts[image]..<starts[image + 1] }

  private func object(_ row: Row) -> AnnotatedObject {
    let points = row.keypoints < 0 ? 0..<0 : Int(row.keypoints)..<Int(row.keypoints + row.keypointCount)
    return AnnotatedObject(
      box: row.box, classIndex: Int(row.classIndex), isCrowd: row.isCrowd, isDifficult: row.isDifficult,
      area: row.area.isNaN ? nil : row.area, mask: row.mask < 0 ? nil : masks[row.mask],
      keypoints: Array(keypoints[points]))
  }
}

/// Masks in one run of bytes: COCO's text for run lengths; for polygons the steps from point to point in hundredths
/// of a pixel, as COCO writes coordinates, or all bits where one is no such number.
struct PackedMasks: Sendable {
  private enum Form: UInt8 { case hundredths, doubles, runLengths }

  private var bytes: [UInt8] = []

  /// Returns its place.
  mutating func append(_ mask: InstanceMask) -> Int {
    let place = bytes.count
    switch mask {
    case .polygons(let polygons):
      let isExact = polygons.allSatisfy { $0.allSatisfy { hundredths($0) != nil } }
      bytes.append(isExact ? Form.hundredths.rawValue : Form.doubles.rawValue)
      append(UInt64(polygons.count))
      for polygon in polygons { append(polygon, isExact: isExact) }
    case .runLengths(let mask):
      let text = mask.compressed
      bytes.append(Form.runLengths.rawValue)
      for number in [mask.height, mask.width, text.count] { append(UInt64(number)) }
      bytes += text
    }
    return place
  }

  private mutating func append(_ polygon: [Double], isExact: Bool) {
    append(UInt64(polygon.count))
    var before = (Int64(0), Int64(0))
    for number in polygon {
      guard isExact, let value = hundredths(number) else {
        withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes += $0 }
        continue
      }
      let step = value - before.0
      append(UInt64(bitPattern: step << 1 ^ step >> 63))  // small numbers of either sign are short
      before = (before.1, value)
    }
  }

  /// Seven bits a byte, low ones first.
  private mutating func append(_ number: UInt64) {
    var rest = number
    while rest >= 128 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  subscript(place: Int) -> InstanceMask {
    var at = place + 1
    guard let form = Form(rawValue: bytes[place]) else { preconditionFailure("no mask at byte \(place)") }
    if form == .runLengths {
      let (height, width, count) = (next(&at), next(&at), next(&at))
      let text = bytes[at..<at + Int(count)]
      guard let mask = try? RunLengthMask(compressed: text, height: Int(height), width: Int(width)) else {
        preconditionFailure("the run lengths at byte \(place) were whole when they were packed")
      }
      return .runLengths(mask)
    }
    return .polygons((0..<next(&at)).map { _ in polygon(&at, isExact: form == .hundredths) })
  }

  private func polygon(_ at: inout Int, isExact: Bool) -> [Double] {
    var before = (Int64(0), Int64(0))
    return (0..<next(&at)).map { _ in
      guard isExact else {
        let bits = bytes[at..<at + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        at += 8
        return Double(bitPattern: bits)
      }
      let step = next(&at)
      let value = before.0 + (Int64(step >> 1) ^ -Int64(step & 1))
      before = (before.1, value)
      return Double(value) / 100
    }
  }

  private func next(_ at: inout Int) -> UInt64 {
    var (number, shift) = (UInt64(0), UInt64(0))
    while true {
      let byte = bytes[at]
      at += 1
      number |= UInt64(byte & 127) << shift
      if byte < 128 { return number }
      shift += 7
    }
  }
}

/// A coordinate in hundredths, if it is exactly such a number.
private func hundredths(_ number: Double) -> Int64? {
  let value = (number * 100).rounded()
  guard abs(value) < 0x1p40, value / 100 == number else { return nil }
  // A negative zero has another bit pattern.
  return value == 0 && number.sign == .minus ? nil : Int64(value)
}
