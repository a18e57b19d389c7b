// Matrix products of tensors.
#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

/// A·B of matrices, plus `bias`, if it is defined, in every row. In blocks of a fixed size on a CPU, so that
/// the bits do not depend on the number of threads; no graph is recorded.
at::Tensor product(const at::Tensor &a, const at::Tensor &b, const at::Tensor &bias = {});
/// The same into `y`, contiguous rows × columns: the memory of a tensor of another shape, say.
void product_into(at::Tensor y, const at::Tensor &a, const at::Tensor &b, const at::Tensor &bias = {});
/// The products of two batches' matrices, N×R×K and N×K×M of any strides: N×R×M. A matrix is a block; no
/// graph is recorded.
at::Tensor batched_product(const at::Tensor &a, const at::Tensor &b);

/// The matrix product of the last two dimensions.
at::Tensor matmul(const at::Tensor &a, const at::Tensor &b);

/// x·Wᵀ + b; the bias may be undefined.
at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias);

}  // namespace ctorch
