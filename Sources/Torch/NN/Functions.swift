import CTorch

// Layers without state.

/// max(0, x).
public func relu(_ x: Tensor) -> Tensor { produce { ct_relu($0, x.handle) } }

/// max(0, x), overwriting `x`, which must be a new result without other users.
public func reluInPlace(_ x: Tensor) -> Tensor {
  check(ct_relu_(x.handle))
  return x
}

/// x·Φ(x), where Φ is the standard normal distribution function (Hendrycks and Gimpel 2016).
public func gelu(_ x: Tensor) -> Tensor { produce { ct_gelu($0, x.handle) } }

/// softmax(q·kᵀ/√D)·v (Vaswani et al. 2017, equation 1), in one kernel if the device has it.
/// - Parameters:
///   - q: queries, N×heads×L×D.
///   - k: keys, N×heads×M×D.
///   - v: values, N×heads×M×D.
/// - Returns: N×heads×L×D.
public func attention(_ q: Tensor, _ k: Tensor, _ v: Tensor) -> Tensor {
  produce { ct_attention($0, q.handle, k.handle, v.handle) }
}

public func maxPool2d(_ x: Tensor, kernel: Int, stride: Int, padding: Int) -> Tensor {
  produce { ct_max_pool2d($0, x.handle, Int64(kernel), Int64(stride), Int64(padding)) }
}

/// The mean over height and width: N×C×H×W → N×C.
public func globalAveragePool2d(_ x: Tensor) -> Tensor { produce { ct_global_avg_pool2d($0, x.handle) } }

/// The mean over the batch of −log softmax(logits)[target]: N×C and N int64 → scalar.
public func crossEntropy(_ logits: Tensor, _ target: Tensor) -> Tensor {
  produce { ct_cross_entropy($0, logits.handle, target.handle) }
}

/// Softmax along `dim`.
public func softmax(_ x: Tensor, dim: Int) -> Tensor { produce { ct_softmax($0, x.handle, Int64(dim)) } }

/// log softmax along `dim`.
public func logSoftmax(_ x: Tensor, dim: Int) -> Tensor {
  produce { ct_log_softmax($0, x.handle, Int64(dim)) }
}

/// The sum of −t·log σ(x) − (1 − t)·log(1 − σ(x)) over all elements; `target` has the shape and type of
/// `logits`.
public func binaryCrossEntropyWithLogits(_ logits: Tensor, _ target: Tensor) -> Tensor {
  produce { ct_bce_with_logits($0, logits.handle, target.handle) }
}

/// The sum over all elements of d²/2β for d = |x − t| below β, and of d − β/2 from β on (Girshick 2015,
/// equation 3); β = 0 gives Σ |x − t|.
public func smoothL1(_ x: Tensor, _ target: Tensor, beta: Double) -> Tensor {
  produce { ct_smooth_l1($0, x.handle, target.handle, beta) }
}

/// x / max(‖x‖₂, 1e-12) along `dim`, in float32 if `x` has fewer bits.
public func l2Normalized(_ x: Tensor, dim: Int = 1) -> Tensor {
  produce { ct_normalize($0, x.handle, Int64(dim), 1e-12) }
}

/// Antialiased bilinear resize of N×C×H×W with half-pixel centres, as Pillow's; uint8 stays uint8.
public func resizedBilinear(_ x: Tensor, height: Int, width: Int) -> Tensor {
  produce { ct_resize_bilinear_aa($0, x.handle, Int64(height), Int64(width)) }
}

/// The same by cubic convolution, as Pillow's.
public func resizedBicubic(_ x: Tensor, height: Int, width: Int) -> Tensor {
  produce { ct_resize_bicubic_aa($0, x.handle, Int64(height), Int64(width)) }
}

/// How maps are enlarged. There is no antialiasing, unlike ``Interpolation``'s.
public enum Upsampling: Sendable {
  /// The pixel ⌊place · old size / new size⌋.
  case nearest
  /// Half-pixel centres.
  case bilinear
  /// The corners' centres stay in place.
  case bilinearAligningCorners
  /// Cubic convolution with a = −0.75, half-pixel centres.
  case bicubic

  fileprivate var c: ct_upsampling {
    switch self {
    case .nearest: CT_NEAREST
    case .bilinear: CT_BILINEAR
    case .bilinearAligningCorners: CT_BILINEAR_ALIGNED
    case .bicubic: CT_BICUBIC
    }
  }
}

/// N×C×H×W → N×C×height×width.
public func interpolated(_ x: Tensor, height: Int, width: Int, mode: Upsampling) -> Tensor {
  produce { ct_interpolate($0, x.handle, Int64(height), Int64(width), mode.c) }
}

/// N×C×H×W, its height and width multiplied.
public func interpolated(_ x: Tensor, scale: Int, mode: Upsampling) -> Tensor {
  x.isDefined ? interpolated(x, height: scale * x.shape[2], width: scale * x.shape[3], mode: mode) : x
}
