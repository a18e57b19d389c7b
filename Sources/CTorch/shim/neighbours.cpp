#include "kernels/neighbours/neighbours.h"
#include "shim/shim.h"

using namespace ctorch;

ct_status ct_nearest_rows(ct_tensor **products, ct_tensor **indices, const ct_tensor *queries,
                          const ct_tensor *rows, int64_t k) {
  *products = *indices = nullptr;
  return guarded([&] {
    NearestRows found = nearest_rows(unwrap(queries), unwrap(rows), k);
    *products = wrap(std::move(found.products));
    *indices = wrap(std::move(found.indices));
  });
}

ct_status ct_row_products(ct_tensor **out, const ct_tensor *queries, const ct_tensor *rows,
                          const ct_tensor *indices) {
  return produce(out, [&] { return row_products(unwrap(queries), unwrap(rows), unwrap(indices)); });
}
