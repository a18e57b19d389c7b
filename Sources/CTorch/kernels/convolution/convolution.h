// Convolution of tensors.
#pragma once

#include "kernels/convolution/library.h"

#include <ATen/core/Tensor.h>

namespace ctorch {

/// A convolution; `bias` may be undefined. On a CPU its bits depend on the shape alone, and neither on the
/// number of threads nor on which of them was free.
at::Tensor convolution(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                       const ConvolutionArguments &how);

}  // namespace ctorch
