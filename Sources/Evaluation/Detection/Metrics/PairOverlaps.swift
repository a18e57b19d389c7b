import Data
import Torch

/// Overlaps of the detections and annotations of a pair, and the detections' areas, in memory of its own.
struct PairOverlaps {
  let truth: COCOFile
  let results: COCORows
  let parameters: COCOParameters
  /// The detections' area is that of their box.
  let usesBoxArea: Bool
  /// By place among the images.
  let imageSizes: [SIMD2<Int>]

  private(set) var overlaps: [Double] = []
  private(set) var areas: [Double] = []
  private var foundBoxes: [SIMD4<Double>] = []
  private var truthBoxes: [SIMD4<Double>] = []
  private var crowds: [UInt8] = []
  private var masks = MaskPool()

  init(truth: COCOFile, results: COCORows, _ parameters: COCOParameters, imageSizes: [SIMD2<Int>]) {
    (self.truth, self.results, self.parameters) = (truth, results, parameters)
    self.imageSizes = imageSizes
    // As in pycocotools the first result decides.
    usesBoxArea = results.count > 0 && results.hasBox(0)
  }

  /// Fills ``overlaps``, detections × truths, and ``areas``.
  mutating func compute(_ pair: DetectionPairs.Pair, _ pairs: DetectionPairs) throws {
    let found = pairs.found[Int(pair.foundStart)..<Int(pair.foundEnd)]
    let truths = pairs.truths[Int(pair.truthStart)..<Int(pair.truthEnd)]
    overlaps.removeAll(keepingCapacity: true)
    overlaps.append(contentsOf: repeatElement(0, count: found.count * truths.count))
    areas.removeAll(keepingCapacity: true)
    crowds.removeAll(keepingCapacity: true)
    let hasCrowds = parameters.rules == .coco
    for row in truths { crowds.append(hasCrowds && truth.annotations.isCrowd(Int(row)) ? 1 : 0) }
    switch parameters.overlap {
    case .boxes: try boxes(found, truths)
    case .masks: try masks(found, truths, imageSizes[Int(pair.image)])
    case .keypoints: try keypoints(found, truths)
    }
  }

  // MARK: - Boxes

  private mutating func boxes(_ found: ArraySlice<Int32>, _ truths: ArraySlice<Int32>) throws {
    foundBoxes.removeAll(keepingCapacity: true)
    for row in found {
      let box = try foundBox(Int(row))
      foundBoxes.append(box)
      areas.append(box[2] * box[3])
    }
    if truths.isEmpty { return }
    truthBoxes.removeAll(keepingCapacity: true)
    for row in truths { truthBoxes.append(try truthBox(Int(row))) }
    foundBoxes.withUnsafeBufferPointer { found in
      truthBoxes.withUnsafeBufferPointer { truths in
        overlaps.withUnsafeMutableBufferPointer { overlaps in
          boxOverlaps(
            of: found, with: truths, areCrowds: crowds, into: overlaps.baseAddress.unsafelyUnwrapped)
        }
      }
    }
  }

  /// A result's box, or that of its mask.
  private func foundBox(_ row: Int) throws -> SIMD4<Double> {
    if results.hasBox(row) { return results.box(row) }
    guard case .runLengths(let text, let height, let width) = results.segmentation(row) else {
      throw EvaluationError.lacks("bbox", place: "result \(row)")
    }
    let box = try reading("result \(row)") {
      try RunLengthMask(compressed: text, height: height, width: width).boundingBox
    }
    return SIMD4(Double(box.x), Double(box.y), Double(box.width), Double(box.height))
  }

  private func truthBox(_ row: Int) throws -> SIMD4<Double> {
    guard truth.annotations.hasBox(row) else {
      throw EvaluationError.lacks("bbox", place: "annotations[\(row)]")
    }
    return truth.annotations.box(row)
  }

  // MARK: - Masks

  private mutating func masks(_ found: ArraySlice<Int32>, _ truths: ArraySlice<Int32>, _ size: SIMD2<Int>)
    throws
  {
    if usesBoxArea {
      for row in found {
        let box = results.box(Int(row))
        areas.append(box[2] * box[3])
      }
      // Without an annotation there is nothing to compare with.
      if truths.isEmpty { return }
    }
    masks.removeAll()
    for row in found { try append(results, Int(row), size, "result \(row)") }
    if !usesBoxArea { for mask in 0..<found.count { areas.append(Double(masks.area(mask))) } }
    for row in truths { try append(truth.annotations, Int(row), size, "annotations[\(row)]") }
    let foundRange = 0..<found.count
    let truthRange = found.count..<found.count + truths.count
    overlaps.withUnsafeMutableBufferPointer { overlaps in
      guard let start = overlaps.baseAddress else { return }
      masks.overlaps(of: foundRange, with: truthRange, areCrowds: crowds, into: start)
    }
  }

  private mutating func append(
    _ rows: COCORows, _ row: Int, _ size: SIMD2<Int>, _ place: @autoclosure () -> String
  )
    throws
  {
    do {
      if try rows.withRunLengths(row, { try masks.append(text: $0, height: $1, width: $2) }) { return }
    } catch {
      throw EvaluationError.badMask(place: place(), reason: "\(error)")
    }
    masks.append(try polygonMask(of: rows, row, size, place()))
  }

  private func reading<Value>(_ place: String, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch { throw EvaluationError.badMask(place: place, reason: "\(error)") }
  }

  // MARK: - Keypoints

  private mutating func keypoints(_ found: ArraySlice<Int32>, _ truths: ArraySlice<Int32>) throws {
    let similarity = KeypointSimilarity(parameters.sigmas)
    for (place, row) in found.enumerated() {
      let points = results.keypoints(Int(row))
      guard points.count == 3 * parameters.sigmas.count else {
        throw EvaluationError.keypoints(
          points.count, expected: 3 * parameters.sigmas.count, place: "result \(row)")
      }
      areas.append(
        usesBoxArea
          ? results.box(Int(row))[2] * results.box(Int(row))[3] : KeypointSimilarity.extent(of: points))
      for (other, row) in truths.enumerated() {
        overlaps[place * truths.count + other] = try similarity.value(
          of: points, with: truth.annotations, Int(row))
      }
    }
  }
}

/// The mask of polygons, or of the box where there are none.
func polygonMask(of rows: COCORows, _ row: Int, _ size: SIMD2<Int>, _ place: @autoclosure () -> String) throws
  -> RunLengthMask
{
  guard size[0] > 0, size[1] > 0, size[0] <= Int(UInt32.max) / size[1] else {
    throw EvaluationError.badMask(place: place(), reason: "its image has no height and width")
  }
  switch rows.segmentation(row) {
  case .polygons(let polygons):
    if let odd = polygons.first(where: { $0.count % 2 != 0 }) {
      throw EvaluationError.badMask(place: place(), reason: "\(odd.count) coordinates are no pairs")
    }
    return RunLengthMask(polygons: polygons, height: size[0], width: size[1])
  case .runLengths(let text, let height, let width):
    do { return try RunLengthMask(compressed: text, height: height, width: width) } catch {
      throw EvaluationError.badMask(place: place(), reason: "\(error)")
    }
  case .none:
    guard rows.hasBox(row) else { throw EvaluationError.lacks("segmentation", place: place()) }
    let box = rows.box(row)
    let (x0, y0, x1, y1) = (box[0], box[1], box[0] + box[2], box[1] + box[3])
    return RunLengthMask(polygons: [[x0, y0, x0, y1, x1, y1, x1, y0]], height: size[0], width: size[1])
  }
}
