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

  /// The type it is read as.
  package var dtype: DType {
    switch self {
    case .float32: .float32
    case .float64: .float64
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .int64, .int32, .int16, .int8: .int64
    case .uint8: .uint8
    case .bool: .bool
    }
  }
}
