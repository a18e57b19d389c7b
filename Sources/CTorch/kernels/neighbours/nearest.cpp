// A thread takes some queries through the whole table: a piece of it stays in the cache while it is
// multiplied, and the products while the largest are taken out.
#include "kernels/element.h"
#include "kernels/neighbours/largest.h"
#include "kernels/neighbours/neighbours.h"
#include "kernels/parallel.h"

#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>

#include <algorithm>

using namespace ctorch;

namespace {

constexpr int64_t queries_at_once = 16, rows_at_once = 1024;
/// Other devices hold so many products at once.
constexpr int64_t products_at_once = 1 << 26;

template <class T>
void search(const at::Tensor &queries, const at::Tensor &rows, int64_t k, int64_t *result) {
  const int64_t count = queries.size(0), all = rows.size(0);
  std::vector<neighbours::Largest<T>> largest;
  for (int64_t i = 0; i < count; ++i) largest.emplace_back(k, rows_at_once);
  const at::Tensor products = at::empty({count, rows_at_once}, queries.options());
  const T *numbers = products.data_ptr<T>();
  for (int64_t first = 0; first < all; first += rows_at_once) {
    const int64_t size = std::min(rows_at_once, all - first);
    at::Tensor piece = products.narrow(1, 0, size);
    at::mm_out(piece, queries, rows.narrow(0, first, size).t());
    for (int64_t i = 0; i < count; ++i) largest[i].add(numbers + i * rows_at_once, size, first);
  }
  for (int64_t i = 0; i < count; ++i) largest[i].finish(result + i * k);
}

at::Tensor composed(const at::Tensor &queries, const at::Tensor &rows, int64_t k) {
  const int64_t block = std::max<int64_t>(1, products_at_once / rows.size(0));
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
  const at::Tensor queries = q.contiguous(), rows = table.contiguous(),
                   result = at::empty({count, k}, q.options().dtype(at::kLong));
  int64_t *places = result.data_ptr<int64_t>();
  for_each_in_parallel(ceil_div(count, queries_at_once), [&](int64_t i) {
    const int64_t first = i * queries_at_once, size = std::min(queries_at_once, count - first);
    with_element(queries, [&](auto element) {
      search<decltype(element)>(queries.narrow(0, first, size), rows, k, places + first * k);
    });
  });
  return result;
}
