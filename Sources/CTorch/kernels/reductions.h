// Reductions whose bits do not depend on the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

/// The sum over `dims`, or over everything if there are none.
at::Tensor sum(const at::Tensor &x, at::IntArrayRef dims, bool keep);
at::Tensor mean(const at::Tensor &x, at::IntArrayRef dims, bool keep);

/// to += from, on this thread: for partial sums that are added in order.
void add(const float *from, float *to, int64_t count);

/// Layer normalisation of the last dimension.
at::Tensor layer_norm(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, double eps);

}  // namespace ctorch
