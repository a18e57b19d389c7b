// A matrix product in blocks: of its result, and where that is small beside the length of its sums, of these
// too.
//
// The libraries' division depends on their threads. Here the shape alone decides, and each block is computed
// by one thread.
#include "kernels/parallel.h"
#include "kernels/product/library.h"
#include "kernels/product/packed.h"
#include "kernels/product/product.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>

#include <algorithm>

namespace {

using namespace ctorch;

/// Products of two numbers that are worth a block of their own.
constexpr int64_t least_work = 1 << 20;
/// MKL copies the factors of every block, which costs a tenth to a quarter of the time where the sides are
/// 128, and little at 512 (docs/decisions/0023): shorter sides than 512 are cut only until there are a few
/// blocks.
constexpr int64_t few_blocks = 8, least_side = 128, good_side = 512;
/// Sums are cut where they are so many times longer than a side: their parts must be added up.
constexpr int64_t depth_of_side = 4;
/// The most numbers of all parts: 64 MB of float32.
constexpr int64_t most_of_parts = 1 << 24;

/// The sizes of a block.
struct Blocks {
  int64_t rows, columns, depth, all_rows, all_columns, all_depth;

  Blocks(int64_t rows, int64_t columns, int64_t depth)
      : rows(rows), columns(columns), depth(depth), all_rows(rows), all_columns(columns), all_depth(depth) {
    cut(enough_blocks, good_side);
    cut(few_blocks, least_side);
  }

  /// Halves the longest side until there are `enough` blocks, none is longer than `side`, or a block is too
  /// little work.
  void cut(int64_t enough, int64_t side) {
    while (count() < enough && rows * columns * depth >= 2 * least_work) {
      const bool has_room = 2 * parts() * all_rows * all_columns <= most_of_parts;
      const int64_t longest = std::max({rows, columns, has_room ? depth / depth_of_side : 0});
      if (longest <= side) return;
      halve(longest == rows ? rows : longest == columns ? columns : depth);
    }
  }

  static void halve(int64_t &size) { size = ceil_div(ceil_div(size, 2), 16) * 16; }
  int64_t down() const { return ceil_div(all_rows, rows); }
  int64_t across() const { return ceil_div(all_columns, columns); }
  int64_t parts() const { return ceil_div(all_depth, depth); }
  int64_t count() const { return down() * across() * parts(); }
};

at::Tensor piece(const at::Tensor &x, int64_t dim, int64_t i, int64_t size) {
  return x.narrow(dim, i * size, std::min(size, x.size(dim) - i * size));
}

}  // namespace

void ctorch::product_into(at::Tensor y, const at::Tensor &a, const at::Tensor &b, const at::Tensor &bias) {
  const ProductLibrary library = product_library();
  if (library == ProductLibrary::own && takes_packed_product(y, a, b))
    return packed_product_into(y, a, b, bias);
  const Blocks blocks(a.size(0), b.size(1), a.size(1));
  const int64_t parts = blocks.parts();
  const at::Tensor sums = parts == 1 ? y.unsqueeze(0) : at::empty({parts, a.size(0), b.size(1)}, a.options());
  for_each_in_parallel(blocks.count(), [&](int64_t i) {
    const int64_t part = i % parts, column = i / parts % blocks.across(), row = i / parts / blocks.across();
    at::Tensor c = piece(piece(sums[part], 0, row, blocks.rows), 1, column, blocks.columns);
    multiply(library, c, piece(piece(a, 0, row, blocks.rows), 1, part, blocks.depth),
             piece(piece(b, 1, column, blocks.columns), 0, part, blocks.depth));
    if (bias.defined() && part == 0) c.add_(piece(bias, 0, column, blocks.columns));
  });
  if (parts > 1) at::sum_out(y, sums, at::IntArrayRef{0});
}

at::Tensor ctorch::batched_product(const at::Tensor &a, const at::Tensor &b) {
  const at::Tensor y = at::empty({a.size(0), a.size(1), b.size(2)}, a.options());
  const ProductLibrary library = product_library();
  for_each_in_parallel(a.size(0), [&](int64_t i) { multiply(library, y[i], a[i], b[i]); });
  return y;
}

at::Tensor ctorch::product(const at::Tensor &a, const at::Tensor &b, const at::Tensor &bias) {
  const at::Tensor y = at::empty({a.size(0), b.size(1)}, a.options());
  product_into(y, a, b, bias);
  return y;
}
