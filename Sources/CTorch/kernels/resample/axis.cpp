#include "kernels/resample/axis.h"

#include <algorithm>
#include <cmath>

namespace ctorch::resample {

Axis::Axis(int64_t from, int64_t to, Window window, bool is_mirrored)
    : starts(window.count), sizes(window.count) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(1.0, scale), inverse = 1 / support;
  row = (2 * static_cast<int64_t>(std::ceil(support)) + 1 + 3) / 4 * 4;
  std::vector<double> shares(window.count * row), unwanted(row);
  double largest = 0;
  for (int64_t result = 0; result < to; ++result) {
    const double center = scale * (static_cast<double>(result) + 0.5);
    const int64_t start = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t size = std::min(static_cast<int64_t>(center + support + 0.5), from) - start;
    const int64_t place = result - window.first;
    double *own = unwanted.data(), sum = 0;
    if (place >= 0 && place < window.count) {
      const int64_t i = is_mirrored ? window.count - 1 - place : place;
      starts[i] = start, sizes[i] = size, own = shares.data() + i * row;
    }
    for (int64_t k = 0; k < size; ++k) {
      const double distance = std::fabs((static_cast<double>(k + start) - center + 0.5) * inverse);
      own[k] = std::max(0.0, 1 - distance);
      sum += own[k];
    }
    for (int64_t k = 0; k < size; ++k) largest = std::max(largest, own[k] /= sum);
  }
  while (precision < 22 && static_cast<int>(0.5 + largest * (1 << (precision + 1))) < 1 << 15) ++precision;
  all.resize(shares.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int16_t>(0.5 + shares[i] * (1 << precision));
}

}  // namespace ctorch::resample
