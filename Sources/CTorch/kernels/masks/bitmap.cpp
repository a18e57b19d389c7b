// Run lengths, which go down the columns, from and to bitmaps, which go along the rows.
#include <algorithm>
#include <cstring>

#include "kernels/masks/masks.h"

namespace ctorch::masks {

namespace {

/// So many columns are turned at once: a line of the cache.
constexpr int64_t strip = 64;

}  // namespace

Runs from_bitmap(const uint8_t *rows, int64_t height, int64_t width) {
  Runs result;
  std::vector<uint8_t> columns(strip * height);
  uint32_t length = 0;
  uint8_t is_inside = 0;
  for (int64_t x0 = 0; x0 < width; x0 += strip) {
    const int64_t count = std::min(strip, width - x0);
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < count; ++x) columns[x * height + y] = rows[y * width + x0 + x] != 0;
    for (int64_t i = 0; i < count * height; ++i) {
      if (columns[i] != is_inside) {
        result.push_back(length);
        length = 0;
        is_inside = columns[i];
      }
      ++length;
    }
  }
  if (length || result.empty()) result.push_back(length);
  return result;
}

void to_bitmap(uint8_t *rows, ct_run_list mask, int64_t height, int64_t width) {
  std::memset(rows, 0, height * width);
  int64_t start = 0;
  for (int64_t i = 0; i < mask.count; start += mask.counts[i++]) {
    if (!(i & 1) || mask.counts[i] == 0) continue;
    int64_t x = start / height, y = start % height;
    for (uint32_t left = mask.counts[i]; left > 0; --left) {
      rows[y * width + x] = 1;
      if (++y == height) {
        y = 0;
        ++x;
      }
    }
  }
}

}  // namespace ctorch::masks
