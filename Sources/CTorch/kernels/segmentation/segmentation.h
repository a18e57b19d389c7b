// A class for every pixel from logits of a smaller map, N×C×h×w, which are enlarged bilinearly: on the CPU a
// few pixels at a time, so that the enlarged logits are never in memory; elsewhere by LibTorch's operations.
#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

/// The mean over pixels whose label (N×H×W int64 or uint8) is not `ignored`; 0 if there are none. Gradient
/// for the logits.
at::Tensor enlarged_cross_entropy(const at::Tensor &logits, const at::Tensor &labels, int64_t ignored,
                                  bool align_corners);
at::Tensor enlarged_cross_entropy_composed(const at::Tensor &logits, const at::Tensor &labels,
                                           int64_t ignored, bool align_corners);

/// The class of the largest logit, the lowest of equal ones: N×height×width uint8.
at::Tensor enlarged_argmax(const at::Tensor &logits, int64_t height, int64_t width, bool align_corners);
at::Tensor enlarged_argmax_composed(const at::Tensor &logits, int64_t height, int64_t width,
                                    bool align_corners);

}  // namespace ctorch
