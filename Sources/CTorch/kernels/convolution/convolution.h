// Convolution of tensors.
#pragma once

#include <ATen/ATen.h>

namespace ctorch {

/// A convolution without bias, groups or dilation: ATen's, or for float32 on a CPU what is faster than that.
at::Tensor convolution(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding);

}  // namespace ctorch
