import Torch

/// Looks for NaN and infinite values in elements' bytes.
struct FiniteScan {
  private(set) var isFinite = true
  private let dtype: DType

  init(_ dtype: DType) { self.dtype = dtype }

  /// - Parameter bytes: whole elements.
  mutating func scan(_ bytes: UnsafeRawBufferPointer) {
    let found =
      switch dtype {
      case .float32: Self.isFinite(bytes, exponent: UInt32(0x7F80_0000), one: 0x0080_0000)
      case .float64: Self.isFinite(bytes, exponent: UInt64(0x7FF0 << 48), one: 0x0010 << 48)
      case .float16: Self.isFinite(bytes, exponent: UInt16(0x7C00), one: 0x0400)
      case .bfloat16: Self.isFinite(bytes, exponent: UInt16(0x7F80), one: 0x0080)
      case .int64, .uint8, .bool: true
      }
    isFinite = isFinite && found
  }

  /// An exponent of ones alone carries into the sign when one is added to it. Without a branch, so that the compiler makes
  /// vectors of it.
  private static func isFinite<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, exponent: Bits, one: Bits
  ) -> Bool {
    var carries: Bits = 0
    bytes.withMemoryRebound(to: Bits.self) { elements in
      for element in elements { carries |= (element & exponent) &+ one }
    }
    return carries >> Bits(Bits.bitWidth - 1) == 0
  }
}
