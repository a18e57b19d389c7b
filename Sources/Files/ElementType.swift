/// Element types of the files; whole numbers that a `Tensor` lacks become int64, and numbers of 8 bits float32.
package enum ElementType: CaseIterable, Hashable {
  case float32, float64, float16, bfloat16, int64, int32, int16, int8, uint8, bool
  case uint16, uint32, uint64
  /// Of 8 bits, by the bits of their exponent and fraction. FNUZ: without infinities and a negative 0.
  case float8E4M3, float8E5M2, float8E4M3FNUZ, float8E5M2FNUZ
  /// A power of 2, for scales.
  case float8E8M0
  /// Several in a byte.
  case float4, float6E2M3, float6E3M2
  case complex64, complex128

  /// The name of PyTorch's class of storages; UntypedStorage where the type has none.
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
    case .complex64: "ComplexFloatStorage"
    case .complex128: "ComplexDoubleStorage"
    default: "UntypedStorage"
    }
  }

  /// PyTorch's name of the type, where tensors of it have an untyped storage.
  package var torchName: String? {
    switch self {
    case .uint16: "uint16"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .float8E4M3: "float8_e4m3fn"
    case .float8E5M2: "float8_e5m2"
    case .float8E4M3FNUZ: "float8_e4m3fnuz"
    case .float8E5M2FNUZ: "float8_e5m2fnuz"
    case .float8E8M0: "float8_e8m0fnu"
    default: nil
    }
  }

  /// numpy's name without the byte order; nil if numpy has no such type.
  package var numpyName: String? {
    switch self {
    case .float32: "f4"
    case .float64: "f8"
    case .float16: "f2"
    case .int64: "i8"
    case .int32: "i4"
    case .int16: "i2"
    case .int8: "i1"
    case .uint64: "u8"
    case .uint32: "u4"
    case .uint16: "u2"
    case .uint8: "u1"
    case .bool: "b1"
    case .complex64: "c8"
    case .complex128: "c16"
    default: nil
    }
  }

  /// The name in a safetensors file; nil if the format has no such type.
  package var safetensorsName: String? {
    switch self {
    case .float32: "F32"
    case .float64: "F64"
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .int64: "I64"
    case .int32: "I32"
    case .int16: "I16"
    case .int8: "I8"
    case .uint64: "U64"
    case .uint32: "U32"
    case .uint16: "U16"
    case .uint8: "U8"
    case .bool: "BOOL"
    case .float8E4M3: "F8_E4M3"
    case .float8E5M2: "F8_E5M2"
    case .float8E4M3FNUZ: "F8_E4M3FNUZ"
    case .float8E5M2FNUZ: "F8_E5M2FNUZ"
    case .float8E8M0: "F8_E8M0"
    case .float6E2M3: "F6_E2M3"
    case .float6E3M2: "F6_E3M2"
    case .float4: "F4"
    case .complex64: "C64"
    case .complex128: nil
    }
  }

  /// A name for messages.
  package var name: String { safetensorsName ?? "C128" }

  package var bits: Int {
    switch self {
    case .complex128: 128
    case .float64, .int64, .uint64, .complex64: 64
    case .float32, .int32, .uint32: 32
    case .float16, .bfloat16, .int16, .uint16: 16
    case .float6E2M3, .float6E3M2: 6
    case .float4: 4
    default: 8
    }
  }

  /// Bytes of one element; at least 1.
  package var size: Int { max(1, bits / 8) }
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
      let (step, tooFar) = (max(1, size) - 1).multipliedReportingOverflow(by: stride)
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
