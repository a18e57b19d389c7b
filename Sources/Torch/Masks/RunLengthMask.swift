import CTorch

/// The pixels of an object as COCO's run lengths: down the columns, the first run outside the object.
///
/// Source: the masks of the COCO data set (Lin et al. 2014), whose rasteriser and text these are.
public struct RunLengthMask: Sendable, Equatable {
  /// Pixels; their product is below 2³².
  public let height: Int
  public let width: Int
  /// Pixels outside, inside, outside, …; together height · width.
  public let counts: [UInt32]

  /// For runs that are known to add up.
  private init(trusted counts: [UInt32], height: Int, width: Int) {
    (self.counts, self.height, self.width) = (counts, height, width)
  }

  // MARK: - From files

  /// - Throws: ``RunLengthError`` if the size is none of a picture, or the runs do not add up to it.
  public init(counts: [UInt32], height: Int, width: Int) throws {
    let pixels = try Self.pixels(height: height, width: width)
    let sum = counts.reduce(0) { $0 + Int($1) }
    guard sum == pixels else { throw RunLengthError.sum(pixels: sum, height: height, width: width) }
    self.init(trusted: counts, height: height, width: width)
  }

  /// From COCO's text.
  /// - Throws: ``RunLengthError``.
  public init(compressed: some Collection<UInt8>, height: Int, width: Int) throws {
    let made = try compressed.withContiguousStorageIfAvailable { try Self.runs(of: $0) }
    try self.init(
      counts: try made ?? Array(compressed).withUnsafeBufferPointer { try Self.runs(of: $0) }, height: height,
      width: width)
  }

  private static func runs(of text: UnsafeBufferPointer<UInt8>) throws -> [UInt32] {
    try [UInt32](unsafeUninitializedCapacity: text.count) { $1 = try decode(text, into: $0) }
  }

  /// The runs of COCO's text, of which there are no more than bytes; returns how many they are.
  static func decode(_ text: UnsafeBufferPointer<UInt8>, into runs: UnsafeMutableBufferPointer<UInt32>) throws
    -> Int
  {
    var place: Int64 = 0
    let fault = ct_runs_from_text(runs.baseAddress, &place, text.baseAddress, Int64(text.count))
    switch fault {
    case CT_TEXT_OK: return Int(place)
    case CT_TEXT_CUT: throw RunLengthError.cut(place: Int(place))
    case CT_TEXT_CHARACTER: throw RunLengthError.character(text[Int(place)], place: Int(place))
    default: throw RunLengthError.range(place: Int(place))
    }
  }

  static func pixels(height: Int, width: Int) throws -> Int {
    let (pixels, isOver) = height.multipliedReportingOverflow(by: width)
    guard height > 0, width > 0, !isOver, pixels <= Int(UInt32.max) else {
      throw RunLengthError.size(height: height, width: width)
    }
    return pixels
  }

  // MARK: - From shapes

  /// The union of polygons x, y, x, y, … in pixels, each filled by the even-odd rule as COCO does it.
  public init(polygons: [[Double]], height: Int, width: Int) {
    Self.check(height: height, width: width)
    let masks = polygons.map { points in
      precondition(points.count % 2 == 0, "\(points.count) coordinates are no pairs")
      return Self(height: height, width: width) {
        ct_mask_from_polygon($0, points, Int64(points.count / 2), Int64(height), Int64(width))
      }
    }
    self =
      masks.count == 1 ? masks[0] : Self.merged(masks, height: height, width: width, isIntersection: false)
  }

  /// From height × width bytes, row by row: 0 is outside.
  public init(bitmap: UnsafeRawBufferPointer, height: Int, width: Int) {
    Self.check(height: height, width: width)
    precondition(bitmap.count == height * width, "\(bitmap.count) bytes for \(height) × \(width) pixels")
    self.init(height: height, width: width) {
      ct_mask_from_bitmap(
        $0, bitmap.baseAddress?.assumingMemoryBound(to: UInt8.self), Int64(height), Int64(width))
    }
  }

  private init(height: Int, width: Int, _ make: (UnsafeMutablePointer<ct_runs>) -> ct_status) {
    var runs = ct_runs()
    let status = make(&runs)
    precondition(status == CT_OK, "no memory for the runs of a mask of \(height) × \(width) pixels")
    defer { ct_runs_free(&runs) }
    self.init(
      trusted: Array(UnsafeBufferPointer(start: runs.counts, count: Int(runs.count))), height: height,
      width: width)
  }

  private static func check(height: Int, width: Int) {
    precondition(
      height > 0 && width > 0 && height <= Int(UInt32.max) / width, "no mask has \(height) × \(width) pixels")
  }

  // MARK: - Set operations

  /// The pixels in any of the masks, which are one or more of one size.
  public static func union(_ masks: [RunLengthMask]) -> RunLengthMask { merged(masks, isIntersection: false) }

  /// The pixels in all of the masks, which are one or more of one size.
  public static func intersection(_ masks: [RunLengthMask]) -> RunLengthMask {
    merged(masks, isIntersection: true)
  }

  private static func merged(_ masks: [RunLengthMask], isIntersection: Bool) -> RunLengthMask {
    precondition(!masks.isEmpty, "no mask to merge")
    return merged(masks, height: masks[0].height, width: masks[0].width, isIntersection: isIntersection)
  }

  private static func merged(
    _ masks: [RunLengthMask], height: Int, width: Int, isIntersection: Bool
  ) -> RunLengthMask {
    withRunLists(masks) { lists in
      for mask in masks {
        precondition(
          mask.height == height && mask.width == width,
          "a mask of \(mask.height) × \(mask.width) pixels among those of \(height) × \(width)")
      }
      return Self(height: height, width: width) {
        ct_masks_merge($0, lists.baseAddress, Int64(lists.count), Int64(height * width), isIntersection)
      }
    }
  }

  // MARK: - Of the mask

  /// COCO's text: ASCII.
  public var compressed: [UInt8] { Self.text(of: counts) }

  /// COCO's text of runs, which need not be a mask.
  package static func text(of counts: [UInt32]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 7 * counts.count) { buffer, count in
      count = counts.withUnsafeBufferPointer {
        Int(ct_runs_to_text(buffer.baseAddress, ct_run_list(counts: $0.baseAddress, count: Int64($0.count))))
      }
    }
  }

  /// Pixels inside.
  public var area: Int { withRunList { Int(ct_mask_area($0)) } }

  /// The pixels' smallest rectangle; zeros if there are none.
  public var boundingBox: (x: Int, y: Int, width: Int, height: Int) {
    withRunList { list in
      withUnsafeTemporaryAllocation(of: Int64.self, capacity: 4) { box in
        ct_mask_bounding_box(box.baseAddress, list, Int64(height))
        return (Int(box[0]), Int(box[1]), Int(box[2]), Int(box[3]))
      }
    }
  }

  /// height · width bytes 0 or 1, row by row.
  public func bitmap() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: height * width) { buffer, count in
      withRunList { ct_mask_to_bitmap(buffer.baseAddress, $0, Int64(height), Int64(width)) }
      count = height * width
    }
  }

  private func withRunList<Result>(_ body: (ct_run_list) -> Result) -> Result {
    counts.withUnsafeBufferPointer { body(ct_run_list(counts: $0.baseAddress, count: Int64($0.count))) }
  }

  // MARK: - Overlap

  /// Intersection over union of each of `found` with each of `truths`, row by row. For a truth that is a crowd:
  /// intersection over the area of the found one.
  public static func overlaps(
    of found: [RunLengthMask], with truths: [RunLengthMask], areCrowds: [Bool]
  ) -> [Double] {
    precondition(
      truths.count == areCrowds.count, "\(truths.count) masks and \(areCrowds.count) marks of crowds")
    guard let first = found.first, !truths.isEmpty else { return [] }
    for mask in found + truths {
      precondition(
        mask.height == first.height && mask.width == first.width,
        "a mask of \(mask.height) × \(mask.width) pixels among those of \(first.height) × \(first.width)")
    }
    let crowds = areCrowds.map { $0 ? UInt8(1) : 0 }
    return [Double](unsafeUninitializedCapacity: found.count * truths.count) { buffer, count in
      withRunLists(found) { found in
        withRunLists(truths) { truths in
          ct_masks_iou(
            buffer.baseAddress, found.baseAddress, Int64(found.count), truths.baseAddress,
            Int64(truths.count), crowds, Int64(first.height))
        }
      }
      count = found.count * truths.count
    }
  }
}

/// The runs of all masks, in memory of their own while `body` runs.
private func withRunLists<Result>(
  _ masks: [RunLengthMask], _ body: (UnsafeBufferPointer<ct_run_list>) -> Result
) -> Result {
  let runs = masks.flatMap(\.counts)
  return runs.withUnsafeBufferPointer { runs in
    var lists: [ct_run_list] = []
    var start = 0
    for mask in masks {
      lists.append(
        ct_run_list(counts: runs.baseAddress.map { $0 + start }, count: Int64(mask.counts.count)))
      start += mask.counts.count
    }
    return lists.withUnsafeBufferPointer(body)
  }
}

/// Run lengths from a file that are no mask.
public enum RunLengthError: Error, Equatable, CustomStringConvertible {
  case size(height: Int, width: Int)
  case sum(pixels: Int, height: Int, width: Int)
  /// A byte that COCO's text does not use; places count from 0.
  case character(UInt8, place: Int)
  case cut(place: Int)
  case range(place: Int)

  public var description: String {
    switch self {
    case .size(let height, let width):
      "no mask has \(height) × \(width) pixels; they are height and width, each at least 1"
    case .sum(let pixels, let height, let width):
      "the run lengths add up to \(pixels) pixels, and \(height) × \(width) are \(height * width)"
    case .character(let byte, let place):
      "the run lengths have the byte \(byte) at place \(place), which COCO's text does not use"
    case .cut(let place): "the run lengths end within the number that begins at place \(place)"
    case .range(let place):
      "the run lengths have a run below 0 or above 4294967295 at place \(place)"
    }
  }
}
