// Rows of a table that lie near others.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// N×C and n×C → N×k and N×k int64: the largest products and their rows, in rising order of the rows; of
/// equal products the lower rows. 1 ≤ k ≤ n.
ct_status ct_nearest_rows(ct_tensor **products, ct_tensor **indices, const ct_tensor *queries,
                          const ct_tensor *rows, int64_t k);
/// N×C, n×C and N×k int64 → N×k. The rows have no gradient.
ct_status ct_row_products(ct_tensor **out, const ct_tensor *queries, const ct_tensor *rows,
                          const ct_tensor *indices);

#ifdef __cplusplus
}
#endif
