#include "kernels/segmentation/axis.h"

#include <algorithm>

namespace ctorch::segmentation {

std::vector<Place> places(int64_t small, int64_t enlarged, bool align_corners) {
  std::vector<Place> result(enlarged);
  const double scale =
      align_corners ? (enlarged > 1 ? static_cast<double>(small - 1) / static_cast<double>(enlarged - 1) : 0)
                    : static_cast<double>(small) / static_cast<double>(enlarged);
  for (int64_t i = 0; i < enlarged; ++i) {
    const double pixel = static_cast<double>(i);
    const double place = align_corners ? scale * pixel : std::max(scale * (pixel + 0.5) - 0.5, 0.0);
    const int64_t low = std::min(static_cast<int64_t>(place), small - 1);
    const int64_t high = std::min(low + 1, small - 1);
    result[i] = {low, high, high > low ? std::min(place - static_cast<double>(low), 1.0) : 0.0};
  }
  return result;
}

std::vector<Interval> intervals(const std::vector<Place> &places) {
  std::vector<Interval> result;
  for (int64_t i = 0; i < static_cast<int64_t>(places.size()); ++i) {
    if (!result.empty() && result.back().low == places[i].low)
      result.back().end = i + 1;
    else
      result.push_back({i, i + 1, places[i].low, places[i].high});
  }
  return result;
}

template <class T>
Columns<T>::Columns(int64_t small, int64_t enlarged, bool align_corners) : small_(small) {
  const std::vector<Place> all = places(small, enlarged, align_corners);
  for (int64_t start = 0; start < enlarged; start += lanes) {
    const int64_t end = std::min(start + lanes, enlarged), first = all[start].low;
    const Span span{first, all[end - 1].high - first + 1, static_cast<int64_t>(values.size())};
    values.resize(values.size() + span.count * lanes);
    for (int64_t i = start; i < end; ++i) {
      T *lane = values.data() + span.at + (i - start);
      lane[(all[i].low - first) * lanes] += static_cast<T>(1 - all[i].beyond);
      lane[(all[i].high - first) * lanes] += static_cast<T>(all[i].beyond);
    }
    spans.push_back(span);
  }
}

template class Columns<float>;
template class Columns<double>;

}  // namespace ctorch::segmentation
