// The division of the work is Goto's and van de Geijn's (2008): a panel of b's columns stays in the first
// cache while rows of a pass by from the second. MKL copies both factors of every block of the result. Here b
// is copied once for all blocks, and a, which must lie in rows, not at all.
#include "kernels/product/packed.h"

#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"

#include <algorithm>

#ifdef CT_X86_LINUX

#include <immintrin.h>

namespace {

using namespace ctorch;

#define CT_AVX2 __attribute__((target("avx2,fma")))

/// Rows and columns of the sums that are kept in the 16 registers, with two for b and one for a.
constexpr int64_t tile_rows = 6, width = 16, lanes = 8;
/// The most of a sum that is taken at a time: so long a panel of b takes half of a first cache of 32 KB.
constexpr int64_t most_depth = 256;
/// The most rows of a block: so many of a, so long, take a fifth of a second cache of 512 KB.
constexpr int64_t most_rows = 96, least_rows = 48;
/// The most columns of a block, whose results stay in the second cache from one part of the sums to the next,
/// and the fewest that pay for bringing its rows of a there.
constexpr int64_t most_columns = 768, least_columns = 192;
/// Products of fewer rows than these are left to the library, beside which copying b would cost too
/// much, and so are those of shorter sums, whose result is most of the work.
constexpr int64_t least_height = 512, least_depth = 64;
/// The most numbers of b, 12 MB: its copy should stay in the last cache.
constexpr int64_t most_of_panels = 3 << 20;

struct Matrix {
  const float *first;
  int64_t by_row, by_column;

  explicit Matrix(const at::Tensor &x)
      : first(x.data_ptr<float>()), by_row(x.stride(0)), by_column(x.stride(1)) {}
  const float *at(int64_t row, int64_t column) const { return first + row * by_row + column * by_column; }
};

/// Rows of 16 numbers.
struct Tile {
  float *first;
  int64_t by_row;
};

/// to = from + a·b of `rows` rows and one panel.
template <int rows>
CT_AVX2 void multiply_tile(const float *a, int64_t by_row, const float *b, int64_t depth, const float *from,
                           int64_t from_by_row, Tile to) {
  __m256 sums[rows][2] = {};
#pragma unroll
  for (int i = 0; i < rows; ++i) __builtin_prefetch(to.first + i * to.by_row, 1);
#pragma clang loop unroll_count(4)
  for (int64_t k = 0; k < depth; ++k) {
    const __m256 left = _mm256_load_ps(b + k * width), right = _mm256_load_ps(b + k * width + lanes);
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      const __m256 own = _mm256_broadcast_ss(a + i * by_row + k);
      sums[i][0] = _mm256_fmadd_ps(own, left, sums[i][0]);
      sums[i][1] = _mm256_fmadd_ps(own, right, sums[i][1]);
    }
  }
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const __m256 before = _mm256_loadu_ps(from + i * from_by_row + half * lanes);
      _mm256_storeu_ps(to.first + i * to.by_row + half * lanes, _mm256_add_ps(before, sums[i][half]));
    }
}

using TileProduct = void (*)(const float *a, int64_t by_row, const float *b, int64_t depth, const float *from,
                             int64_t from_by_row, Tile to);

TileProduct tile_product(int64_t rows) {
  constexpr TileProduct all[] = {multiply_tile<1>, multiply_tile<2>, multiply_tile<3>,
                                 multiply_tile<4>, multiply_tile<5>, multiply_tile<6>};
  return all[rows - 1];
}

/// Rows become columns: three times, the upper and the lower half of the rows are interleaved.
CT_AVX2 inline void transpose(__m256 (&rows)[lanes]) {
  for (int round = 0; round < 3; ++round) {
    __m256 mixed[lanes];
#pragma unroll
    for (int i = 0; i < lanes / 2; ++i) {
      const __m256 a = rows[i], b = rows[i + lanes / 2];
      mixed[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      mixed[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    }
#pragma unroll
    for (int i = 0; i < lanes; ++i) rows[i] = mixed[i];
  }
}

/// Copies a panel of b, `depth` × `columns`, to depth × 16; columns that b lacks are 0.
CT_AVX2 void pack_panel(const Matrix &b, int64_t column, int64_t columns, int64_t depth, float *to) {
  const float *from = b.at(0, column);
  int64_t k = 0;
  if (columns == width && b.by_column == 1) {
    for (; k < depth; ++k) {
      _mm256_store_ps(to + k * width, _mm256_loadu_ps(from + k * b.by_row));
      _mm256_store_ps(to + k * width + lanes, _mm256_loadu_ps(from + k * b.by_row + lanes));
    }
  } else if (columns == width && b.by_row == 1) {
    for (; k + lanes <= depth; k += lanes)
      for (int64_t half = 0; half < width; half += lanes) {
        __m256 rows[lanes];
        for (int i = 0; i < lanes; ++i) rows[i] = _mm256_loadu_ps(from + (half + i) * b.by_column + k);
        transpose(rows);
        for (int i = 0; i < lanes; ++i) _mm256_store_ps(to + (k + i) * width + half, rows[i]);
      }
  }
  for (; k < depth; ++k)
    for (int64_t i = 0; i < width; ++i)
      to[k * width + i] = i < columns ? from[k * b.by_row + i * b.by_column] : 0;
}

/// The sizes of a block of the result and of a part of the sums.
struct Division {
  int64_t rows = most_rows, columns, depth;

  /// Halves the columns of a block, then its rows, until there are enough blocks and none is too wide.
  Division(int64_t all_rows, int64_t all_columns, int64_t all_depth)
      : columns(ceil_div(all_columns, width) * width),
        depth(ceil_div(all_depth, ceil_div(all_depth, most_depth))) {
    const auto count = [&] { return ceil_div(all_rows, rows) * ceil_div(all_columns, columns); };
    while (columns > most_columns || (count() < enough_blocks && columns >= 2 * least_columns))
      columns = ceil_div(ceil_div(columns, 2), width) * width;
    if (count() < enough_blocks) rows = least_rows;
  }
};

/// One product, with b in panels.
struct Product {
  const Matrix a;
  const float *panels, *bias;
  const Tile y;
  const int64_t all_depth, depth;

  /// A block of the result.
  void multiply_block(int64_t row, int64_t rows, int64_t column, int64_t columns) const {
    for (int64_t k = 0; k < all_depth; k += depth)
      for (int64_t j = column; j < column + columns; j += width)
        for (int64_t i = row; i < row + rows; i += tile_rows)
          multiply_part(i, std::min(tile_rows, row + rows - i), j, std::min(width, column + columns - j), k);
  }

  /// A part of the sums of one tile.
  void multiply_part(int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t k) const {
    const float *left = a.at(row, k), *right = panels + column * all_depth + k * width;
    const int64_t own = std::min(depth, all_depth - k);
    float *to = y.first + row * y.by_row + column;
    const float *from = k > 0 ? to : bias + column;
    const int64_t from_by_row = k > 0 ? y.by_row : 0;
    if (columns == width)
      return tile_product(rows)(left, a.by_row, right, own, from, from_by_row, {to, y.by_row});
    float edge[tile_rows * width] = {};
    for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * from_by_row, columns, edge + r * width);
    tile_product(rows)(left, a.by_row, right, own, edge, width, {edge, width});
    for (int64_t r = 0; r < rows; ++r) std::copy_n(edge + r * width, columns, to + r * y.by_row);
  }
};

/// b in panels of 16 columns.
Scratch packed(const Matrix &b, int64_t depth, int64_t columns) {
  const int64_t panels = ceil_div(columns, width);
  Scratch result(panels * width * depth);
  for_each_in_parallel(panels, [&](int64_t i) {
    pack_panel(b, i * width, std::min(width, columns - i * width), depth, result.data() + i * width * depth);
  });
  return result;
}

}  // namespace

bool ctorch::has_packed_product() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool ctorch::takes_packed_product(const at::Tensor &y, const at::Tensor &a, const at::Tensor &b) {
  return a.scalar_type() == at::kFloat && y.stride(1) == 1 && a.stride(1) == 1 &&
         (b.stride(0) == 1 || b.stride(1) == 1) && a.size(0) >= least_height && a.size(1) >= least_depth &&
         b.size(1) >= width && b.numel() <= most_of_panels;
}

void ctorch::packed_product_into(const at::Tensor &y, const at::Tensor &a, const at::Tensor &b,
                                 const at::Tensor &bias) {
  const int64_t rows = a.size(0), depth = a.size(1), columns = b.size(1);
  const Scratch panels = packed(Matrix(b), depth, columns), added = Scratch::zeros(columns);
  if (bias.defined()) std::copy_n(bias.contiguous().data_ptr<float>(), columns, added.data());
  const Division by(rows, columns, depth);
  const Tile to{y.data_ptr<float>(), y.stride(0)};
  const Product product{Matrix(a), panels.data(), added.data(), to, depth, by.depth};
  const int64_t across = ceil_div(columns, by.columns);
  for_each_in_parallel(ceil_div(rows, by.rows) * across, [&](int64_t i) {
    const int64_t row = i / across * by.rows, column = i % across * by.columns;
    product.multiply_block(row, std::min(by.rows, rows - row), column,
                           std::min(by.columns, columns - column));
  });
}

#else

bool ctorch::has_packed_product() { return false; }
bool ctorch::takes_packed_product(const at::Tensor &, const at::Tensor &, const at::Tensor &) {
  return false;
}
void ctorch::packed_product_into(const at::Tensor &, const at::Tensor &, const at::Tensor &,
                                 const at::Tensor &) {
  TORCH_CHECK(false, "this processor has no product of our own");
}

#endif
