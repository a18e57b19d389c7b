#include "kernels/neighbours/neighbours.h"
#include "shim/shim.h"

using namespace ctorch;

ct_status ct_nearest_rows(ct_tensor **out, const ct_tensor *queries, const ct_tensor *rows, int64_t k) {
  return produce(out, [&] { return nearest_rows(unwrap(queries), unwrap(rows), k); });
}

ct_status ct_row_products(ct_tensor **out, const ct_tensor *queries, const ct_tensor *rows,
                          const ct_tensor *indices) {
  return produce(out, [&] { return row_products(unwrap(queries), unwrap(rows), unwrap(indices)); });
}
