import Files
import Torch

extension ElementType {
  package init(_ dtype: DType) {
    switch dtype {
    case .float32: self = .float32
    case .float64: self = .float64
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    case .int64: self = .int64
    case .uint8: self = .uint8
    case .bool: self = .bool
    }
  }

  /// The type it is read as; nil if it is not read.
  package var dtype: DType? {
    switch self {
    case .float32, .float8E4M3, .float8E5M2, .float8E4M3FNUZ, .float8E5M2FNUZ, .float8E8M0: .float32
    case .float64: .float64
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .int64, .int32, .int16, .int8, .uint64, .uint32, .uint16: .int64
    case .uint8: .uint8
    case .bool: .bool
    case .float4, .float6E2M3, .float6E3M2, .complex64, .complex128: nil
    }
  }

  /// Whether a tensor's bytes are the file's.
  var keepsBytes: Bool { dtype.map { ElementType($0) == self } ?? false }
}

/// Bytes that give no tensor.
enum ElementFault: Error {
  /// Of an element type that is not read.
  case unread
  /// A truth value that is neither 0 nor 1.
  case invalidBool
  /// A whole number above 2^63 − 1.
  case tooLarge
}

extension Tensor {
  /// Elements of a file's bytes, row by row.
  /// - Parameters:
  ///   - bytes: from the first element to behind the last.
  ///   - layout: their places; its offset does not count.
  /// - Throws: ``ElementFault``, or `TorchError` if memory runs out.
  static func reading(_ bytes: UnsafeRawBufferPointer, as type: ElementType, _ layout: StridedLayout) throws
    -> Tensor
  {
    guard type.dtype != nil else { throw ElementFault.unread }
    guard type != .bool || bytes.allSatisfy({ $0 <= 1 }) else { throw ElementFault.invalidBool }
    guard type.keepsBytes else { return try converting(bytes, type, layout) }
    return try withTorchErrors {
      let dtype = type.dtype ?? .uint8
      if layout.isContiguous { return Tensor(copying: bytes, dtype: dtype, shape: layout.shape) }
      if let order = layout.denseOrder {
        let dense = Tensor(copying: bytes, dtype: dtype, shape: order.map { layout.shape[$0] })
        let back = order.indices.map { axis in order.firstIndex(of: axis) ?? axis }
        return dense.permuted(back).contiguous()
      }
      var gathered: [UInt8] = []
      gathered.reserveCapacity(layout.count * type.size)
      layout.forEachElement { gathered += bytes[$0 * type.size..<($0 + 1) * type.size] }
      return gathered.withUnsafeBytes { Tensor(copying: $0, dtype: dtype, shape: layout.shape) }
    }
  }

  /// Whole numbers as int64, numbers of 8 bits as float32.
  private static func converting(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ layout: StridedLayout
  ) throws -> Tensor {
    func values<Source: BitwiseCopyable, Value: TensorElement>(_: Source.Type, _ convert: (Source) -> Value)
      throws -> Tensor
    {
      var values: [Value] = []
      values.reserveCapacity(layout.count)
      layout.forEachElement {
        values.append(
          convert(bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Source>.size, as: Source.self)))
      }
      return try withTorchErrors { Tensor(values, shape: layout.shape) }
    }
    switch type {
    case .int32: return try values(Int32.self) { Int64($0) }
    case .int16: return try values(Int16.self) { Int64($0) }
    case .int8: return try values(Int8.self) { Int64($0) }
    case .uint32: return try values(UInt32.self) { Int64($0) }
    case .uint16: return try values(UInt16.self) { Int64($0) }
    case .uint64:
      var isTooLarge = false
      let tensor = try values(UInt64.self) { value in
        isTooLarge = isTooLarge || value > UInt64(Int64.max)
        return Int64(truncatingIfNeeded: value)
      }
      guard !isTooLarge else { throw ElementFault.tooLarge }
      return tensor
    default:
      let table = Float8.table(of: type)
      return try values(UInt8.self) { table[Int($0)] }
    }
  }
}

/// Numbers of 8 bits (Micikevicius et al. 2022; FNUZ as PyTorch has them).
enum Float8 {
  /// The value of each byte.
  static func table(of type: ElementType) -> [Float] {
    switch type {
    case .float8E4M3: values(fraction: 3, bias: 7) { $0 & 0x7F == 0x7F ? .nan : nil }
    case .float8E5M2:
      values(fraction: 2, bias: 15) { byte in
        guard byte & 0x7C == 0x7C else { return nil }
        return byte & 3 != 0 ? .nan : byte < 0x80 ? .infinity : -.infinity
      }
    case .float8E4M3FNUZ: values(fraction: 3, bias: 8) { $0 == 0x80 ? .nan : nil }
    case .float8E5M2FNUZ: values(fraction: 2, bias: 16) { $0 == 0x80 ? .nan : nil }
    case .float8E8M0:
      (0...255).map { $0 == 255 ? .nan : Float(sign: .plus, exponent: $0 - 127, significand: 1) }
    default: preconditionFailure("\(type.name) is no float of 8 bits")
    }
  }

  /// - Parameter special: the value of a byte that stands for no finite number; nil for others.
  private static func values(fraction: Int, bias: Int, special: (Int) -> Float?) -> [Float] {
    (0...255).map { byte in
      if let value = special(byte) { return value }
      let (exponent, low) = ((byte & 0x7F) >> fraction, byte & (1 << fraction - 1))
      let significand = exponent == 0 ? low : low | 1 << fraction
      let scale = Float(sign: .plus, exponent: max(exponent, 1) - bias - fraction, significand: 1)
      return (byte < 0x80 ? 1 : -1) * Float(significand) * scale
    }
  }
}

extension StridedLayout {
  /// The places of the elements behind the first, row by row.
  func forEachElement(_ body: (Int) -> Void) {
    guard count > 0 else { return }
    var index = [Int](repeating: 0, count: shape.count)
    var place = 0
    for _ in 0..<count {
      body(place)
      var axis = shape.count - 1
      while axis >= 0 {
        index[axis] += 1
        place += strides[axis]
        if index[axis] < shape[axis] { break }
        place -= shape[axis] * strides[axis]
        index[axis] = 0
        axis -= 1
      }
    }
  }
}
