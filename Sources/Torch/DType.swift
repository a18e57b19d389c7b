import CTorch

/// Element types of a ``Tensor``.
public enum DType: String, Codable, Sendable, CaseIterable {
  case uint8, int64, bool, float16, bfloat16, float32, float64

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .uint8, .bool: 1
    case .float16, .bfloat16: 2
    case .float32: 4
    case .int64, .float64: 8
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .bfloat16, .float32, .float64: true
    case .uint8, .int64, .bool: false
    }
  }

  var c: ct_dtype {
    switch self {
    case .uint8: CT_UINT8
    case .int64: CT_INT64
    case .bool: CT_BOOL
    case .float16: CT_FLOAT16
    case .bfloat16: CT_BFLOAT16
    case .float32: CT_FLOAT32
    case .float64: CT_FLOAT64
    }
  }

  init(_ c: ct_dtype) {
    switch c {
    case CT_UINT8: self = .uint8
    case CT_INT64: self = .int64
    case CT_BOOL: self = .bool
    case CT_FLOAT16: self = .float16
    case CT_BFLOAT16: self = .bfloat16
    case CT_FLOAT64: self = .float64
    default: self = .float32
    }
  }
}

/// Swift types that are elements of a tensor, with the same bytes.
public protocol TensorElement: BitwiseCopyable, Sendable {
  static var dtype: DType { get }
}

extension UInt8: TensorElement { public static var dtype: DType { .uint8 } }
extension Int64: TensorElement { public static var dtype: DType { .int64 } }
extension Int: TensorElement { public static var dtype: DType { .int64 } }
extension Bool: TensorElement { public static var dtype: DType { .bool } }
extension Float: TensorElement { public static var dtype: DType { .float32 } }
extension Double: TensorElement { public static var dtype: DType { .float64 } }

/// The order of an image tensor's elements in memory; the shape is N×C×H×W in both cases.
public enum MemoryLayout4D: Sendable {
  /// N, C, H, W: PyTorch's default.
  case contiguous
  /// N, H, W, C: the fastest order for convolutions.
  case channelsLast

  var c: ct_layout {
    switch self {
    case .contiguous: CT_CONTIGUOUS
    case .channelsLast: CT_CHANNELS_LAST
    }
  }
}
