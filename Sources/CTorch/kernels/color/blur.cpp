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

/// sums[i] = Σ weights[k] · terms[k][i], in k's order.
CT_WIDE_FUSED void weighted_sums(const float *const *terms, const float *weights, int64_t taps, float *sums,
                                 int64_t count) {
  constexpr int64_t lanes = 16, strip = 4 * lanes;
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

/// The sums of the columns first..<end, whose matrix rows may reach beyond the picture.
CT_WIDE_FUSED void edge_sums(const float *row, int64_t width, const Band &band, int64_t first, int64_t end,
                             float *sums) {
  for (int64_t x = first; x < end; ++x) {
    const float *weights = band.weights + x * band.row() + band.reach - x;
    const int64_t last = std::min(width - 1, x + band.reach);
    float sum = 0;
    for (int64_t from = std::max<int64_t>(0, x - band.reach); from <= last; ++from)
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
      terms(std::max(across.row(), down.row())) {}

void BlurredRows::blur_across(int64_t plane, int64_t y) {
  // The rows of the matrix between the edges are the same, one place further on.
  const int64_t first = std::min(across.reach, width), end = std::max(first, width - across.reach);
  float *sums = blurred_across(plane, y);
  read_levels(levels + (plane * height + y) * width, row.data(), width);
  for (int64_t k = 0; k < across.row(); ++k) terms[k] = row.data() + k;
  edge_sums(row.data(), width, across, 0, first, sums);
  weighted_sums(terms.data(), across.weights + first * across.row(), across.row(), sums + first, end - first);
  edge_sums(row.data(), width, across, end, width, sums);
}

void BlurredRows::blur_down(int64_t plane, int64_t y, float *levels) {
  const int64_t first = std::max<int64_t>(0, y - down.reach), last = std::min(height - 1, y + down.reach);
  for (int64_t from = first; from <= last; ++from) terms[from - first] = blurred_across(plane, from);
  weighted_sums(terms.data(), down.weights + y * down.row() + down.reach - y + first, last - first + 1,
                levels, width);
  round_levels(levels, width);
}

void BlurredRows::next(int64_t count, float *planes) {
  const int64_t first = rows_given, end = std::min(height, first + count + down.reach);
  for (int64_t plane = 0; plane < 3; ++plane) {
    for (int64_t y = rows_read; y < end; ++y) blur_across(plane, y);
    for (int64_t i = 0; i < count; ++i) blur_down(plane, first + i, planes + (plane * count + i) * width);
  }
  rows_given += count;
  rows_read = end;
}

}  // namespace ctorch::color
