/// Element types of the files; those that a `Tensor` lacks become int64.
package enum ElementType: CaseIterable, Hashable {
  case float32, float64, float16, bfloat16, int64, int32, int16, int8, uint8, bool

  /// The name of PyTorch's class of storages.
  package var storageName: String {
    switch self {
    case .float32: "FloatStorage"
    case .float64: "DoubleStorage"
    case .float16: "HalfStorage"
    case .bfloat16: "BFloat16Storage"
    case .int64: "LongStorage"
    case .int32: "IntStorage"
    case .int16: "ShortStorage"
    case .int8: "CharStorage"
    case .uint8: "ByteStorage"
    case .bool: "BoolStorage"
    }
  }

  /// numpy's name without the byte order; nil if numpy has no such type.
  package var numpyName: String? {
    switch self {
    case .float32: "f4"
    case .float64: "f8"
    case .float16: "f2"
    case .bfloat16: nil
    case .int64: "i8"
    case .int32: "i4"
    case .int16: "i2"
    case .int8: "i1"
    case .uint8: "u1"
    case .bool: "b1"
    }
  }

  /// Bytes of one element.
  package var size: Int {
    switch self {
    case .float64, .int64: 8
    case .float32, .int32: 4
    case .float16, .bfloat16, .int16: 2
    case .int8, .uint8, .bool: 1
    }
  }
}

/// Shape and steps of a tensor in its storage, in elements, checked against overflow.
package struct StridedLayout: Equatable {
  package let shape: [Int]
  package let strides: [Int]
  package let offset: Int
  /// Elements of the tensor.
  package let count: Int
  /// From the first element to behind the last, as they lie in the storage.
  package let extent: Int

  /// More dimensions than any tensor has.
  package static let rankLimit = 64

  /// Nil if a number is negative or a product too large, even where a size of 0 would bring it back.
  package init?(shape: [Int], strides: [Int], offset: Int) {
    guard shape.count == strides.count, shape.count <= Self.rankLimit, offset >= 0 else { return nil }
    var (count, last) = (1, 0)
    for (size, stride) in zip(shape, strides) {
      let (product, tooMany) = count.multipliedReportingOverflow(by: size)
      let (step, tooFar) = max(0, size - 1).multipliedReportingOverflow(by: stride)
      let (sum, tooLong) = last.addingReportingOverflow(step)
      guard size >= 0, stride >= 0, !tooMany, !tooFar, !tooLong else { return nil }
      (count, last) = (product, sum)
    }
    // Room for eight bytes an element and the offset.
    guard count <= Int.max / 16, last <= Int.max / 16, offset <= Int.max / 16 else { return nil }
    self.shape = shape
    self.strides = strides
    self.offset = offset
    self.count = count
    extent = count == 0 ? 0 : last + 1
  }

  /// Row by row without gaps.
  package init?(shape: [Int]) {
    var (strides, step) = ([Int](), 1)
    for size in shape.reversed() {
      strides.append(step)
      let (product, overflow) = step.multipliedReportingOverflow(by: max(1, size))
      guard !overflow else { return nil }
      step = product
    }
    self.init(shape: shape, strides: strides.reversed(), offset: 0)
  }

  package var isContiguous: Bool { count <= 1 || strides(ignoringOnes: StridedLayout(shape: shape)?.strides) }

  private func strides(ignoringOnes other: [Int]?) -> Bool {
    guard let other else { return false }
    return zip(shape, zip(strides, other)).allSatisfy { $0 == 1 || $1.0 == $1.1 }
  }

  /// The order of dimensions by which the elements lie row by row without gaps; nil if there is none.
  package var denseOrder: [Int]? {
    let order = shape.indices.sorted { strides[$0] == strides[$1] ? $0 < $1 : strides[$0] > strides[$1] }
    let sorted = StridedLayout(shape: order.map { shape[$0] }, strides: order.map { strides[$0] }, offset: 0)
    return sorted?.isContiguous == true ? order : nil
  }
}
