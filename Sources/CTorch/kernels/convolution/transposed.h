// Transposed convolution of tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

namespace ctorch {

/// N×C×H×W and a weight C×D×kernel height×kernel width → N×D×H′×W′; `bias` (D) may be undefined. The bits
/// depend on the shape alone.
at::Tensor transposed_convolution(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                                  std::array<int64_t, 2> stride, std::array<int64_t, 2> padding);

}  // namespace ctorch
