// Functions of single numbers whose bits do not depend on the number of threads, where LibTorch's do.
#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

at::Tensor sigmoid(const at::Tensor &x);

/// LibTorch's own where a gradient is asked for.
at::Tensor pow(const at::Tensor &x, double exponent);

/// The sum of −t·log σ(x) − (1 − t)·log(1 − σ(x)); gradient for x only.
at::Tensor bce_with_logits(const at::Tensor &x, const at::Tensor &target);

}  // namespace ctorch
