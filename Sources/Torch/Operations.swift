import CTorch

// Arithmetic and reductions. Shapes broadcast as in NumPy and PyTorch.

extension Tensor {
  public static func + (a: Tensor, b: Tensor) -> Tensor { produce { ct_add($0, a.handle, b.handle) } }
  public static func - (a: Tensor, b: Tensor) -> Tensor { produce { ct_sub($0, a.handle, b.handle) } }
  public static func * (a: Tensor, b: Tensor) -> Tensor { produce { ct_mul($0, a.handle, b.handle) } }
  public static func / (a: Tensor, b: Tensor) -> Tensor { produce { ct_div($0, a.handle, b.handle) } }

  public static func + (a: Tensor, b: Double) -> Tensor { produce { ct_add_scalar($0, a.handle, b) } }
  public static func - (a: Tensor, b: Double) -> Tensor { produce { ct_add_scalar($0, a.handle, -b) } }
  public static func * (a: Tensor, b: Double) -> Tensor { produce { ct_mul_scalar($0, a.handle, b) } }
  public static func / (a: Tensor, b: Double) -> Tensor { produce { ct_div_scalar($0, a.handle, b) } }
  public static func - (a: Double, b: Tensor) -> Tensor { produce { ct_rsub_scalar($0, b.handle, a) } }
  public static func * (a: Double, b: Tensor) -> Tensor { b * a }
  public static prefix func - (a: Tensor) -> Tensor { a * -1 }

  public func pow(_ exponent: Double) -> Tensor { produce { ct_pow_scalar($0, handle, exponent) } }
  /// `base` to the power of self.
  public func power(of base: Double) -> Tensor { produce { ct_power_of($0, base, handle) } }
  public func clamped(_ low: Double, _ high: Double) -> Tensor { produce { ct_clamp($0, handle, low, high) } }

  public func exp() -> Tensor { produce { ct_exp($0, handle) } }
  public func log() -> Tensor { produce { ct_log($0, handle) } }
  /// 1/(1 + exp(−x)).
  public func sigmoid() -> Tensor { produce { ct_sigmoid($0, handle) } }
  /// log 1/(1 + exp(−x)), stable for any x.
  public func logSigmoid() -> Tensor { produce { ct_log_sigmoid($0, handle) } }
  public func sin() -> Tensor { produce { ct_sin($0, handle) } }
  public func cos() -> Tensor { produce { ct_cos($0, handle) } }
  public func sqrt() -> Tensor { produce { ct_sqrt($0, handle) } }
  public func abs() -> Tensor { produce { ct_abs($0, handle) } }
  public func floor() -> Tensor { produce { ct_floor($0, handle) } }
  /// To the nearest integer, halves to even.
  public func rounded() -> Tensor { produce { ct_round($0, handle) } }

  /// The matrix product of the last two dimensions.
  public func matmul(_ other: Tensor) -> Tensor { produce { ct_matmul($0, handle, other.handle) } }
}

public func minimum(_ a: Tensor, _ b: Tensor) -> Tensor { produce { ct_minimum($0, a.handle, b.handle) } }
public func maximum(_ a: Tensor, _ b: Tensor) -> Tensor { produce { ct_maximum($0, a.handle, b.handle) } }

// MARK: - Comparison

/// Comparisons element by element: a bool tensor.
extension Tensor {
  public static func .== (a: Tensor, b: Tensor) -> Tensor { compare(a, b, CT_EQ) }
  public static func .!= (a: Tensor, b: Tensor) -> Tensor { compare(a, b, CT_NE) }
  public static func .< (a: Tensor, b: Tensor) -> Tensor { compare(a, b, CT_LT) }
  public static func .<= (a: Tensor, b: Tensor) -> Tensor { compare(a, b, CT_LE) }
  public static func .> (a: Tensor, b: Tensor) -> Tensor { compare(a, b, CT_GT) }
  public static func .>= (a: Tensor, b: Tensor) -> Tensor { compare(a, b, CT_GE) }

  public static func .== (a: Tensor, b: Double) -> Tensor { compare(a, b, CT_EQ) }
  public static func .!= (a: Tensor, b: Double) -> Tensor { compare(a, b, CT_NE) }
  public static func .< (a: Tensor, b: Double) -> Tensor { compare(a, b, CT_LT) }
  public static func .<= (a: Tensor, b: Double) -> Tensor { compare(a, b, CT_LE) }
  public static func .> (a: Tensor, b: Double) -> Tensor { compare(a, b, CT_GT) }
  public static func .>= (a: Tensor, b: Double) -> Tensor { compare(a, b, CT_GE) }

  private static func compare(_ a: Tensor, _ b: Tensor, _ how: ct_comparison) -> Tensor {
    produce { ct_compare($0, a.handle, b.handle, how) }
  }

  private static func compare(_ a: Tensor, _ b: Double, _ how: ct_comparison) -> Tensor {
    produce { ct_compare_scalar($0, a.handle, b, how) }
  }

  /// `a` where the bool tensor `condition` is true, else `b`.
  public static func `where`(_ condition: Tensor, _ a: Tensor, _ b: Tensor) -> Tensor {
    produce { ct_where($0, condition.handle, a.handle, b.handle) }
  }

  /// Whether both are true, element by element.
  public static func .& (a: Tensor, b: Tensor) -> Tensor {
    produce { ct_logical_and($0, a.handle, b.handle) }
  }
  /// Whether one is true, element by element.
  public static func .| (a: Tensor, b: Tensor) -> Tensor { produce { ct_logical_or($0, a.handle, b.handle) } }
  public static prefix func .! (a: Tensor) -> Tensor { produce { ct_logical_not($0, a.handle) } }

  /// Whether each element is neither infinite nor NaN: a bool tensor.
  public func isFinite() -> Tensor { produce { ct_isfinite($0, handle) } }

  /// Whether every element is finite. Waits for the device.
  public func isAllFinite() -> Bool {
    let finite = isFinite()
    return produce { ct_all($0, finite.handle) }.item() == 1
  }
}

// MARK: - Reductions

extension Tensor {
  private typealias Reduction = (
    UnsafeMutablePointer<OpaquePointer?>?, OpaquePointer?, UnsafePointer<Int64>?, Int, Bool
  ) -> ct_status

  private func reduce(_ dims: [Int], _ keepDim: Bool, _ function: Reduction) -> Tensor {
    withInt64(dims) { pointer, count in produce { function($0, handle, pointer, count, keepDim) } }
  }

  /// Over all elements.
  public func sum() -> Tensor { reduce([], false) { ct_sum($0, $1, $2, $3, $4) } }
  public func mean() -> Tensor { reduce([], false) { ct_mean($0, $1, $2, $3, $4) } }
  public func max() -> Tensor { reduce([], false) { ct_amax($0, $1, $2, $3, $4) } }
  public func min() -> Tensor { reduce([], false) { ct_amin($0, $1, $2, $3, $4) } }
  /// The Euclidean norm of all elements.
  public func norm() -> Tensor { reduce([], false) { ct_norm($0, $1, $2, $3, $4) } }

  public func sum(dim: Int, keepDim: Bool = false) -> Tensor {
    reduce([dim], keepDim) { ct_sum($0, $1, $2, $3, $4) }
  }
  public func sum(dims: [Int], keepDim: Bool = false) -> Tensor {
    reduce(dims, keepDim) { ct_sum($0, $1, $2, $3, $4) }
  }
  public func mean(dim: Int, keepDim: Bool = false) -> Tensor { mean(dims: [dim], keepDim: keepDim) }
  public func mean(dims: [Int], keepDim: Bool = false) -> Tensor {
    reduce(dims, keepDim) { ct_mean($0, $1, $2, $3, $4) }
  }
  public func norm(dim: Int, keepDim: Bool = false) -> Tensor {
    reduce([dim], keepDim) { ct_norm($0, $1, $2, $3, $4) }
  }
  public func max(dim: Int, keepDim: Bool = false) -> Tensor {
    reduce([dim], keepDim) { ct_amax($0, $1, $2, $3, $4) }
  }
  public func min(dim: Int, keepDim: Bool = false) -> Tensor {
    reduce([dim], keepDim) { ct_amin($0, $1, $2, $3, $4) }
  }

  /// The index of the largest along `dim`, the first of equal ones: int64.
  public func argMax(dim: Int) -> Tensor { produce { ct_argmax($0, handle, Int64(dim)) } }

  public func logSumExp(dim: Int, keepDim: Bool = false) -> Tensor {
    produce { ct_logsumexp($0, handle, Int64(dim), keepDim) }
  }

  /// The `k` largest along `dim`, largest first, and their indices.
  public func topK(_ k: Int, dim: Int = -1) -> (values: Tensor, indices: Tensor) {
    var values: OpaquePointer?
    var indices: OpaquePointer?
    check(ct_topk(&values, &indices, handle, Int64(k), Int64(dim)))
    return (Tensor(owning: values), Tensor(owning: indices))
  }

  /// The indices that sort along `dim`: int64. Equal elements keep their order; NaN is above all numbers.
  public func argSorted(dim: Int = -1, descending: Bool = false) -> Tensor {
    produce { ct_argsort($0, handle, Int64(dim), descending) }
  }

  /// The indices of the elements that are true, or not 0, in row-major order: K×rank int64. Waits for the
  /// device.
  public func nonzero() -> Tensor { produce { ct_nonzero($0, handle) } }
}
