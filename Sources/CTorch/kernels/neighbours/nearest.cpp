// Piece by piece of the table: all queries are multiplied with it, then each takes its largest products out.
#include "kernels/element.h"
#include "kernels/neighbours/largest.h"
#include "kernels/neighbours/neighbours.h"
#include "kernels/parallel.h"
#include "kernels/product/product.h"

#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>

#include <algorithm>

using namespace ctorch;

namespace {

/// Products that are in memory at once, if these are enough for a step of each query.
constexpr int64_t products_at_once = 1 << 20;
/// Rows after which a query may drop candidates.
constexpr int64_t step = 1024;
/// Other devices hold so many products at once.
constexpr int64_t products_of_device = 1 << 26;

template <class T>
void search(const at::Tensor &queries, const at::Tensor &rows, int64_t k, int64_t *result) {
  const int64_t count = queries.size(0), all = rows.size(0);
  const int64_t at_once = std::min(all, std::max(step, products_at_once / count / step * step));
  std::vector<neighbours::Largest<T>> largest;
  largest.reserve(count);
  for (int64_t i = 0; i < count; ++i) largest.emplace_back(k, step);
  const at::Tensor memory = at::empty({count * at_once}, queries.options());
  const T *numbers = memory.data_ptr<T>();
  for (int64_t first = 0; first < all; first += at_once) {
    const int64_t size = std::min(at_once, all - first);
    product_into(memory.narrow(0, 0, count * size).view({count, size}), queries,
                 rows.narrow(0, first, size).t());
    for_each_in_parallel(count, [&](int64_t i) {
      for (int64_t j = 0; j < size; j += step)
        largest[i].add(numbers + i * size + j, std::min(step, size - j), first + j);
    });
  }
  for_each_in_parallel(count, [&](int64_t i) { largest[i].finish(result + i * k); });
}

at::Tensor composed(const at::Tensor &queries, const at::Tensor &rows, int64_t k) {
  const int64_t block = std::max<int64_t>(1, products_of_device / rows.size(0));
  std::vector<at::Tensor> found;
  for (int64_t first = 0; first < queries.size(0); first += block) {
    const int64_t size = std::min(block, queries.size(0) - first);
    const at::Tensor products = at::mm(queries.narrow(0, first, size), rows.t());
    const at::Tensor indices = std::get<1>(at::topk(products, k, 1, /*largest=*/true, /*sorted=*/false));
    found.push_back(std::get<0>(at::sort(indices, 1)));
  }
  return at::cat(found);
}

}  // namespace

at::Tensor ctorch::nearest_rows(const at::Tensor &q, const at::Tensor &table, int64_t k) {
  TORCH_CHECK(q.dim() == 2 && table.dim() == 2 && q.size(1) == table.size(1), "queries of shape ", q.sizes(),
              " do not fit rows of shape ", table.sizes());
  TORCH_CHECK(k >= 1 && k <= table.size(0), k, " nearest of ", table.size(0), " rows");
  TORCH_CHECK(table.size(0) <= INT32_MAX, table.size(0), " rows are too many to search");
  TORCH_CHECK(q.scalar_type() == table.scalar_type(), "queries of ", q.scalar_type(), ", rows of ",
              table.scalar_type());
  RECORD_FUNCTION("ctorch::nearest_rows", std::vector<c10::IValue>({q, table}));
  const at::AutoGradMode no_graph(false);
  const int64_t count = q.size(0);
  if (count == 0) return at::empty({0, k}, q.options().dtype(at::kLong));
  if (!q.is_cpu() || (q.scalar_type() != at::kFloat && q.scalar_type() != at::kDouble))
    return composed(q, table, k);
  const at::Tensor result = at::empty({count, k}, q.options().dtype(at::kLong));
  with_element(q, [&](auto element) {
    search<decltype(element)>(q.contiguous(), table.contiguous(), k, result.data_ptr<int64_t>());
  });
  return result;
}
