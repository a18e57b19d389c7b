// Rows of a table that lie near others, and products with chosen rows.
#pragma once

#include <ATen/ATen.h>

namespace ctorch {

/// The k rows with the largest product with each query, in rising order: N×C and n×C → N×k int64. Of equal
/// products the lower rows are taken.
///
/// The bits do not depend on the number of threads. In memory are 2²⁰ products, or 1,024 of each query if
/// that is more, and of each query 2k + 1,024 candidates: nothing grows with N times n.
at::Tensor nearest_rows(const at::Tensor &queries, const at::Tensor &rows, int64_t k);

/// The products of each query with rows of its own: N×C, n×C and N×k int64 → N×k. The gradient is that of the
/// queries; the rows have none.
at::Tensor row_products(const at::Tensor &queries, const at::Tensor &rows, const at::Tensor &indices);

}  // namespace ctorch
