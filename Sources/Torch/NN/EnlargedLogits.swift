import CTorch

// A class for every pixel from logits of a smaller map, which are enlarged bilinearly. On a CPU the enlarged logits are
// made a row at a time, and never all of them.

/// The mean cross-entropy over the pixels that are not ignored; 0 where all are, for which PyTorch has NaN.
/// - Parameters:
///   - logits: N×C×h×w.
///   - labels: N×H×W int64 or uint8, 0 ..< C or `ignored`, which can be any number.
///   - alignsCorners: whether corners' centres stay in place; otherwise edges do.
/// - Returns: a scalar, with a gradient for `logits`.
public func enlargedCrossEntropy(
  _ logits: Tensor, _ labels: Tensor, ignoring ignored: Int, alignsCorners: Bool
) -> Tensor {
  produce { ct_enlarged_cross_entropy($0, logits.handle, labels.handle, Int64(ignored), alignsCorners) }
}

/// The class with the largest logit of every pixel, the lowest of equal ones. Without a gradient.
/// - Parameters:
///   - logits: N×C×h×w, at most 256 classes.
/// - Returns: N×height×width uint8.
public func enlargedArgMax(_ logits: Tensor, height: Int, width: Int, alignsCorners: Bool) -> Tensor {
  produce { ct_enlarged_argmax($0, logits.handle, Int64(height), Int64(width), alignsCorners) }
}

/// The same two from LibTorch's operations, for devices without a kernel, and for the kernels' tests.
package func enlargedCrossEntropyComposed(
  _ logits: Tensor, _ labels: Tensor, ignoring ignored: Int, alignsCorners: Bool
) -> Tensor {
  produce {
    ct_enlarged_cross_entropy_composed($0, logits.handle, labels.handle, Int64(ignored), alignsCorners)
  }
}

package func enlargedArgMaxComposed(_ logits: Tensor, height: Int, width: Int, alignsCorners: Bool) -> Tensor
{
  produce { ct_enlarged_argmax_composed($0, logits.handle, Int64(height), Int64(width), alignsCorners) }
}
