// Pooling over windows.
#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

/// The greatest number of every kernel×kernel window, N×C×H×W → N×C×H'×W'; NaN where the window has one. For
/// the gradient a byte per output is kept, and not the input.
at::Tensor max_pool2d(const at::Tensor &x, int64_t kernel, int64_t stride, int64_t padding);

}  // namespace ctorch
