#include "kernels/color/blur.h"

#include "kernels/color/levels.h"
#include "kernels/simd.h"

#include <algorithm>
#include <cmath>

namespace ctorch::color {

namespace {

typedef float Vec16 __attribute__((vector_size(64)));
/// The same at any address.
typedef float Unaligned16 __attribute__((vector_size(64), aligned(4)));

constexpr int64_t lanes = 16;

/// sums[i] = Σ weights[k] · terms[k][i], in k's order.
CT_WIDE_FUSED void weighted_sums(const float *const *terms, const float *weights, int64_t taps, float *sums,
                                 int64_t count) {
  constexpr int64_t strip = 4 * lanes;
  for (int64_t start = 0; start < count; start += strip) {
    // The last strip begins where it ends with the others: some sums are taken twice.
    const int64_t i = std::min(start, count - strip);
    if (i < 0) break;
    Vec16 a = {}, b = {}, c = {}, d = {};
    for (int64_t k = 0; k < taps; ++k) {
      const auto *from = reinterpret_cast<const Unaligned16 *>(terms[k] + i);
      a += weights[k] * from[0], b += weights[k] * from[1];
      c += weights[k] * from[2], d += weights[k] * from[3];
    }
    auto *to = reinterpret_cast<Unaligned16 *>(sums + i);
    to[0] = a, to[1] = b, to[2] = c, to[3] = d;
  }
  if (count >= strip) return;
  for (int64_t i = 0; i < count; ++i) {
    float sum = 0;
    for (int64_t k = 0; k < taps; ++k) sum += weights[k] * terms[k][i];
    sums[i] = sum;
  }
}

/// The same for two rows of sums of the same terms, whose weights stand side by side: a term is loaded once.
CT_WIDE_FUSED void paired_sums(const float *const *terms, const float *weights, int64_t taps, float *sums,
                               int64_t count) {
  constexpr int64_t strip = 2 * lanes;
  for (int64_t start = 0; start < count; start += strip) {
    const int64_t i = std::min(start, count - strip);
    if (i < 0) break;
    Vec16 a = {}, b = {}, c = {}, d = {};
    for (int64_t k = 0; k < taps; ++k) {
      const auto *from = reinterpret_cast<const Unaligned16 *>(terms[k] + i);
      a += weights[2 * k] * from[0], b += weights[2 * k] * from[1];
      c += weights[2 * k + 1] * from[0], d += weights[2 * k + 1] * from[1];
    }
    auto *one = reinterpret_cast<Unaligned16 *>(sums + i);
    auto *two = reinterpret_cast<Unaligned16 *>(sums + count + i);
    one[0] = a, one[1] = b, two[0] = c, two[1] = d;
  }
  if (count >= strip) return;
  for (int64_t i = 0; i < count; ++i) {
    float one = 0, two = 0;
    for (int64_t k = 0; k < taps; ++k)
      one += weights[2 * k] * terms[k][i], two += weights[2 * k + 1] * terms[k][i];
    sums[i] = one, sums[count + i] = two;
  }
}

/// The sums of `lanes` columns whose matrix rows differ: sums[i] = Σ weights[k][i] · row[k].
CT_WIDE_FUSED void edge_sums(const float *row, const float *weights, int64_t taps, float *sums) {
  Vec16 sum = {};
  for (int64_t k = 0; k < taps; ++k)
    sum += row[k] * *reinterpret_cast<const Unaligned16 *>(weights + k * lanes);
  *reinterpret_cast<Unaligned16 *>(sums) = sum;
}

/// The sums of all columns of a row that is too narrow for vectors.
CT_WIDE_FUSED void narrow_sums(const float *row, int64_t width, const Band &band, float *sums) {
  for (int64_t x = 0; x < width; ++x) {
    const float *weights = band.weights + x * band.row() + band.reach - x;
    const int64_t end = std::min(width, x + band.reach + 1);
    float sum = 0;
    for (int64_t from = std::max<int64_t>(0, x - band.reach); from < end; ++from)
      sum += weights[from] * row[from];
    sums[x] = sum;
  }
}

CT_WIDE void round_levels(float *x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = std::nearbyint(x[i]);
}

}  // namespace

BlurredRows::BlurredRows(const uint8_t *levels, int64_t height, int64_t width, Band across, Band down,
                         int64_t together)
    : levels(levels),
      height(height),
      width(width),
      across(across),
      down(down),
      slots(2 * down.reach + together),
      window(3 * slots * width),
      row(width),
      terms(std::max(across.row(), down.row() + 1)),
      pairs(2 * (down.row() + 1)) {
  if (width < lanes) return;
  for (int64_t x = 0; x < std::min(across.reach, width); x += lanes) {
    add_edge(std::min(x, width - lanes));
    add_edge(std::max<int64_t>(0, width - lanes - x));
  }
}

void BlurredRows::add_edge(int64_t column) {
  const int64_t first = std::max<int64_t>(0, column - across.reach);
  const int64_t end = std::min(width, column + lanes + across.reach);
  Edge edge{column, first, end - first, std::vector<float>((end - first) * lanes)};
  for (int64_t x = column; x < column + lanes; ++x)
    for (int64_t from = std::max(first, x - across.reach); from < std::min(end, x + across.reach + 1); ++from)
      edge.weights[(from - first) * lanes + x - column] =
          across.weights[x * across.row() + across.reach - x + from];
  edges.push_back(std::move(edge));
}

void BlurredRows::blur_across(int64_t plane, int64_t y) {
  float *sums = blurred_across(plane, y);
  read_levels(levels + (plane * height + y) * width, row.data(), width);
  if (width < lanes) return narrow_sums(row.data(), width, across, sums);
  for (const Edge &edge : edges)
    edge_sums(row.data() + edge.first, edge.weights.data(), edge.taps, sums + edge.column);
  if (width <= 2 * across.reach) return;
  // The rows of the matrix between the edges are the same, one place further on.
  for (int64_t k = 0; k < across.row(); ++k) terms[k] = row.data() + k;
  weighted_sums(terms.data(), across.weights + across.reach * across.row(), across.row(), sums + across.reach,
                width - 2 * across.reach);
}

void BlurredRows::blur_down(int64_t plane, int64_t y, int64_t rows, float *levels) {
  const int64_t first = std::max<int64_t>(0, y - down.reach), end = std::min(height, y + rows + down.reach);
  for (int64_t from = first; from < end; ++from) terms[from - first] = blurred_across(plane, from);
  const auto weights = [&](int64_t row) { return down.weights + row * down.row() + down.reach - row; };
  if (rows == 1) {
    weighted_sums(terms.data(), weights(y) + first, end - first, levels, width);
  } else {
    for (int64_t from = first; from < end; ++from) {
      pairs[2 * (from - first)] = from - y <= down.reach ? weights(y)[from] : 0;
      pairs[2 * (from - first) + 1] = y + 1 - from <= down.reach ? weights(y + 1)[from] : 0;
    }
    paired_sums(terms.data(), pairs.data(), end - first, levels, width);
  }
  round_levels(levels, rows * width);
}

void BlurredRows::next(int64_t count, float *planes) {
  const int64_t first = rows_given, end = std::min(height, first + count + down.reach);
  for (int64_t plane = 0; plane < 3; ++plane) {
    for (int64_t y = rows_read; y < end; ++y) blur_across(plane, y);
    for (int64_t i = 0; i < count; i += 2)
      blur_down(plane, first + i, std::min<int64_t>(2, count - i), planes + (plane * count + i) * width);
  }
  rows_given += count;
  rows_read = end;
}

}  // namespace ctorch::color
