#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

/// softmax(q·kᵀ/√D)·v of N×heads×L×D.
at::Tensor attention(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v);

}  // namespace ctorch
