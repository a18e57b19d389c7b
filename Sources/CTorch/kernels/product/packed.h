// A matrix product by a kernel of our own, which copies less than the libraries (docs/decisions/0031).
#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

/// Whether the processor has the vectors that the kernel is written for, AVX2's.
bool has_packed_product();

/// Whether the kernel multiplies these: float32, `a` and `y` in rows, `b` in rows or in columns, so many rows
/// and so long sums that copying `b` is worth it, and a copy that stays in the last cache.
bool takes_packed_product(const at::Tensor &y, const at::Tensor &a, const at::Tensor &b);

/// y = a·b + bias, N×K times K×M plus M; `bias` may be undefined. Every sum is taken in an order that K alone
/// decides. No graph is recorded.
void packed_product_into(const at::Tensor &y, const at::Tensor &a, const at::Tensor &b,
                         const at::Tensor &bias);

}  // namespace ctorch
