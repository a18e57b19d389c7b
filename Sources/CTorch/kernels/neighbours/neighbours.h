// Rows of a table that lie near others, and products with chosen rows.
#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

struct NearestRows {
  at::Tensor products, indices;  // N×k of the queries' type, N×k int64
};

/// The k rows with the largest product with each query, in rising order of their indices: N×C and n×C. Of
/// equal products the lower rows are taken; NaN counts as infinity.
///
/// The bits do not depend on the number of threads. On a CPU 2²⁰ products are in memory and 2²² candidates of
/// 12 bytes, or one query's 2k + 2,048 if that is more: nothing grows with N times n.
NearestRows nearest_rows(const at::Tensor &queries, const at::Tensor &rows, int64_t k);

/// The products of each query with rows of its own: N×C, n×C and N×k int64 → N×k. The gradient is that of the
/// queries; the rows have none.
at::Tensor row_products(const at::Tensor &queries, const at::Tensor &rows, const at::Tensor &indices);

}  // namespace ctorch
