import CTorch

/// Masks one behind the other in memory that is used again, for overlaps of very many.
package struct MaskPool {
  private var runs: [UInt32] = []
  private var ends: [Int] = []
  private var lists: [ct_run_list] = []
  private var sizes: [SIMD2<Int>] = []

  package init() {}

  package var count: Int { ends.count }

  /// Height and width.
  package func size(_ mask: Int) -> SIMD2<Int> { sizes[mask] }

  package mutating func removeAll() {
    runs.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    sizes.removeAll(keepingCapacity: true)
  }

  package mutating func append(_ mask: RunLengthMask) {
    runs.append(contentsOf: mask.counts)
    ends.append(runs.count)
    sizes.append(SIMD2(mask.height, mask.width))
  }

  /// From COCO's text.
  /// - Throws: ``RunLengthError``.
  package mutating func append(text: UnsafeBufferPointer<UInt8>, height: Int, width: Int) throws {
    let pixels = try RunLengthMask.pixels(height: height, width: width)
    let start = runs.count
    runs.append(contentsOf: repeatElement(0, count: text.count))
    do {
      let count = try runs.withUnsafeMutableBufferPointer {
        try RunLengthMask.decode(text, into: UnsafeMutableBufferPointer(rebasing: $0[start...]))
      }
      runs.removeLast(text.count - count)
      var sum = 0
      for index in start..<runs.count { sum += Int(runs[index]) }
      guard sum == pixels else { throw RunLengthError.sum(pixels: sum, height: height, width: width) }
    } catch {
      runs.removeLast(runs.count - start)
      throw error
    }
    ends.append(runs.count)
    sizes.append(SIMD2(height, width))
  }

  package func area(_ mask: Int) -> Int {
    runs.withUnsafeBufferPointer { Int(ct_mask_area(list(mask, $0))) }
  }

  private func list(_ mask: Int, _ runs: UnsafeBufferPointer<UInt32>) -> ct_run_list {
    let start = mask == 0 ? 0 : ends[mask - 1]
    return ct_run_list(counts: runs.baseAddress.map { $0 + start }, count: Int64(ends[mask] - start))
  }

  /// As `RunLengthMask.overlaps`, of the masks `found` and `truths` of this pool. Of masks of different sizes it is −1.
  package mutating func overlaps(
    of found: Range<Int>, with truths: Range<Int>, areCrowds: UnsafePointer<UInt8>,
    into overlaps: UnsafeMutablePointer<Double>
  ) {
    guard let first = found.first, let truth = truths.first else { return }
    let size = sizes[truth]
    let isUniform = found.allSatisfy { sizes[$0] == size } && truths.allSatisfy { sizes[$0] == size }
    runs.withUnsafeBufferPointer { runs in
      lists.removeAll(keepingCapacity: true)
      for mask in 0..<count { lists.append(list(mask, runs)) }
      lists.withUnsafeBufferPointer { lists in
        guard let lists = lists.baseAddress else { return }
        ct_masks_iou(
          overlaps, lists + first, Int64(found.count), lists + truth, Int64(truths.count), areCrowds,
          Int64(size[0]))
      }
    }
    if isUniform { return }
    for (i, mask) in found.enumerated() {
      for (j, other) in truths.enumerated() where sizes[mask] != sizes[other] {
        overlaps[i * truths.count + j] = -1
      }
    }
  }
}

/// Intersection over union of boxes x, y, width, height: `found` times `truths`, row by row. For a crowd: intersection
/// over the area of the found box.
package func boxOverlaps(
  of found: UnsafeBufferPointer<SIMD4<Double>>, with truths: UnsafeBufferPointer<SIMD4<Double>>,
  areCrowds: UnsafePointer<UInt8>, into overlaps: UnsafeMutablePointer<Double>
) {
  func numbers(_ boxes: UnsafeBufferPointer<SIMD4<Double>>) -> UnsafePointer<Double>? {
    UnsafeRawPointer(boxes.baseAddress)?.assumingMemoryBound(to: Double.self)
  }
  ct_boxes_iou(
    overlaps, numbers(found), Int64(found.count), numbers(truths), Int64(truths.count), areCrowds)
}
