#include "kernels/parallel.h"
#include "shim/shim.h"

#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>

using namespace ctorch;

ct_status ct_eigvalsh(ct_tensor **values, const ct_tensor *x) {
  return produce(values, [&] {
    const OneThread one;  // LAPACK's results depend on the number
    return at::linalg_eigvalsh(unwrap(x), "L");
  });
}

ct_status ct_eigh(ct_tensor **values, ct_tensor **vectors, const ct_tensor *x) {
  *values = *vectors = nullptr;
  return guarded([&] {
    const OneThread one;
    auto [lambda, columns] = at::linalg_eigh(unwrap(x), "L");
    *values = wrap(std::move(lambda));
    *vectors = wrap(std::move(columns));
  });
}
