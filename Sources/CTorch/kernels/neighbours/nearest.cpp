// Piece by piece of the table: some queries are multiplied with it, then each takes its largest products out.
#include "kernels/element.h"
#include "kernels/neighbours/largest.h"
#include "kernels/neighbours/neighbours.h"
#include "kernels/parallel.h"
#include "kernels/product/product.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/topk.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <limits>

using namespace ctorch;

namespace {

/// The most queries that go through the table together, and the most products of them in memory at once: 4 MB
/// of float32, which stay in the cache.
constexpr int64_t queries_at_once = 1024, products_at_once = 1 << 20;
/// The most candidates of all these queries.
constexpr int64_t candidates_at_once = 1 << 22;
/// Rows after which a query may drop candidates.
constexpr int64_t step = 1024;
/// Other devices hold so many products at once, and a few copies of an eighth of them where rows tie.
constexpr int64_t products_of_device = 1 << 26;

template <class T>
void search(const at::Tensor &queries, const at::Tensor &rows, const NearestRows &result) {
  const int64_t count = queries.size(0), all = rows.size(0), k = result.indices.size(1);
  const int64_t at_once = std::min(all, products_at_once / count / step * step);
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
  int64_t *indices = result.indices.data_ptr<int64_t>();
  T *products = result.products.data_ptr<T>();
  for_each_in_parallel(count, [&](int64_t i) { largest[i].finish(indices + i * k, products + i * k); });
}

/// The k largest of each row of N×n: of equal products, of which LibTorch's top-k may take any, the first.
at::Tensor largest_of(const at::Tensor &products, int64_t k) {
  if (k == products.size(1)) return at::arange(k, products.options().dtype(at::kLong)).expand_as(products);
  const auto [largest, nearest] = at::topk(products, k + 1);
  const at::Tensor indices = nearest.narrow(1, 0, k);
  const at::Tensor all_tied = at::nonzero(largest.select(1, k - 1) == largest.select(1, k)).squeeze(1);
  for (const at::Tensor &tied :
       all_tied.split(std::max<int64_t>(1, products_of_device / 8 / products.size(1)))) {
    const at::Tensor order =
        at::argsort(products.index_select(0, tied), /*stable=*/true, 1, /*descending=*/true);
    indices.index_copy_(0, tied, order.narrow(1, 0, k));
  }
  return indices;
}

void composed(const at::Tensor &queries, const at::Tensor &rows, const NearestRows &result) {
  const int64_t k = result.indices.size(1);
  const int64_t block = std::max<int64_t>(1, products_of_device / rows.size(0));
  for (int64_t first = 0; first < queries.size(0); first += block) {
    const int64_t size = std::min(block, queries.size(0) - first);
    at::Tensor products = at::mm(queries.narrow(0, first, size), rows.t());
    products.masked_fill_(products.isnan(), std::numeric_limits<double>::infinity());
    const at::Tensor indices = std::get<0>(at::sort(largest_of(products, k), 1));
    result.indices.narrow(0, first, size).copy_(indices);
    result.products.narrow(0, first, size).copy_(products.gather(1, indices));
  }
}

}  // namespace

NearestRows ctorch::nearest_rows(const at::Tensor &q, const at::Tensor &table, int64_t k) {
  TORCH_CHECK(q.dim() == 2 && table.dim() == 2 && q.size(1) == table.size(1) && q.size(1) > 0,
              "queries of shape ", q.sizes(), " do not fit rows of shape ", table.sizes());
  TORCH_CHECK(k >= 1 && k <= table.size(0), k, " nearest of ", table.size(0), " rows");
  TORCH_CHECK(table.size(0) <= INT32_MAX, table.size(0), " rows are too many to search");
  TORCH_CHECK(q.scalar_type() == table.scalar_type(), "queries of ", q.scalar_type(), ", rows of ",
              table.scalar_type());
  RECORD_FUNCTION("ctorch::nearest_rows", std::vector<c10::IValue>({q, table}));
  const at::AutoGradMode no_graph(false);
  const int64_t count = q.size(0);
  const NearestRows result{at::empty({count, k}, q.options()),
                           at::empty({count, k}, q.options().dtype(at::kLong))};
  if (!q.is_cpu() || (q.scalar_type() != at::kFloat && q.scalar_type() != at::kDouble)) {
    composed(q, table, result);
    return result;
  }
  with_element(q, [&](auto element) {
    const at::Tensor queries = q.contiguous(), rows = table.contiguous();
    const int64_t most = std::max<int64_t>(1, candidates_at_once / (2 * k + 2 * step));
    const int64_t at_once = std::min(most, queries_at_once);
    for (int64_t first = 0; first < count; first += at_once) {
      const auto own = [&](const at::Tensor &x) {
        return x.narrow(0, first, std::min(at_once, count - first));
      };
      search<decltype(element)>(own(queries), rows, {own(result.products), own(result.indices)});
    }
  });
  return result;
}
