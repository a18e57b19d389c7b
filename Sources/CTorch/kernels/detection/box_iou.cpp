// How much boxes overlap.
#include "kernels/detection/detection.h"
#include "kernels/detection/overlap.h"
#include "kernels/parallel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

using namespace ctorch;
using namespace ctorch::detection;

namespace {

/// Tensor operations, for other devices and types.
at::Tensor composed(const at::Tensor &a, const at::Tensor &b) {
  const auto column = [&](int64_t i) { return a.select(1, i).unsqueeze(1); };
  const auto side = [&](int64_t low, int64_t high) {
    return (at::minimum(column(high), b.select(1, high)) - at::maximum(column(low), b.select(1, low)))
        .clamp_min(0);
  };
  const at::Tensor common = side(0, 2) * side(1, 3);
  const at::Tensor area = (column(2) - column(0)) * (column(3) - column(1)),
                   other = (b.select(1, 2) - b.select(1, 0)) * (b.select(1, 3) - b.select(1, 1));
  return at::where(common > 0, common / (area + other - common), at::zeros({}, common.options()));
}

/// N×4 → the memory of 5 rows of N numbers, the last for the areas.
at::Tensor corner_rows(const at::Tensor &boxes) {
  const at::Tensor result = at::empty({5, boxes.size(0)}, boxes.options());
  result.narrow(0, 0, 4).copy_(boxes.t());
  return result;
}

template <class T>
Corners<T> corners(const at::Tensor &rows) {
  T *start = rows.data_ptr<T>();
  const int64_t count = rows.size(1);
  const Corners<T> all{start, start + count, start + 2 * count, start + 3 * count, start + 4 * count};
  areas(all, count);
  return all;
}

template <class T>
at::Tensor matrix(const at::Tensor &a, const at::Tensor &b) {
  const int64_t rows = a.size(0), columns = b.size(0);
  const at::Tensor memory_a = corner_rows(a), memory_b = corner_rows(b),
                   out = at::empty({rows, columns}, a.options());
  const Corners<T> ones = corners<T>(memory_a), others = corners<T>(memory_b);
  T *to = out.data_ptr<T>();
  constexpr int64_t block_rows = 64, block_columns = 4096;
  const int64_t across = ceil_div(columns, block_columns);
  for_each_in_parallel(ceil_div(rows, block_rows) * across, [&](int64_t k) {
    const int64_t column = k % across * block_columns, first = k / across * block_rows;
    const int64_t count = std::min(block_columns, columns - column);
    for (int64_t i = first; i < std::min(rows, first + block_rows); ++i)
      overlaps(ones + i, others + column, count, to + i * columns + column);
  });
  return out;
}

}  // namespace

at::Tensor ctorch::box_iou(const at::Tensor &given_a, const at::Tensor &given_b) {
  const at::Tensor a = given_a.detach(), b = given_b.detach();
  TORCH_CHECK(a.dim() == 2 && a.size(1) == 4 && b.dim() == 2 && b.size(1) == 4,
              "the overlap of M×4 and N×4 boxes, not of ", a.sizes(), " and ", b.sizes());
  const bool is_ours = a.is_cpu() && b.is_cpu() && a.scalar_type() == b.scalar_type();
  if (is_ours && a.scalar_type() == at::kFloat) return matrix<float>(a, b);
  if (is_ours && a.scalar_type() == at::kDouble) return matrix<double>(a, b);
  return composed(a, b);
}
