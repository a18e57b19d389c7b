#include "kernels/resample/axis.h"

#include <algorithm>
#include <cmath>

namespace ctorch::resample {

Axis::Axis(int64_t from, int64_t to, bool is_mirrored) : starts(to), sizes(to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(1.0, scale), inverse = 1 / support;
  row = (2 * static_cast<int64_t>(std::ceil(support)) + 1 + 3) / 4 * 4;
  std::vector<double> shares(to * row);
  double largest = 0;
  for (int64_t i = 0; i < to; ++i) {
    const double center = scale * (static_cast<double>(is_mirrored ? to - 1 - i : i) + 0.5);
    starts[i] = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    sizes[i] = std::min(static_cast<int64_t>(center + support + 0.5), from) - starts[i];
    double *own = shares.data() + i * row, sum = 0;
    for (int64_t k = 0; k < sizes[i]; ++k) {
      const double distance = std::fabs((static_cast<double>(k + starts[i]) - center + 0.5) * inverse);
      own[k] = std::max(0.0, 1 - distance);
      sum += own[k];
    }
    for (int64_t k = 0; k < sizes[i]; ++k) largest = std::max(largest, own[k] /= sum);
  }
  while (precision < 22 && static_cast<int>(0.5 + largest * (1 << (precision + 1))) < 1 << 15) ++precision;
  all.resize(to * row);
  for (int64_t i = 0; i < to * row; ++i) all[i] = static_cast<int16_t>(0.5 + shares[i] * (1 << precision));
}

}  // namespace ctorch::resample
