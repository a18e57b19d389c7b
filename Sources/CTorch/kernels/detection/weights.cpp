#include "kernels/detection/weights.h"

#include <algorithm>
#include <cmath>

namespace ctorch::detection {

namespace {

/// The samples start, start + step … of one bin that may lie on an axis of `size` pixels: others weigh
/// nothing, and a box far larger than the map has no end of them.
template <class T>
std::pair<int64_t, int64_t> samples_inside(T start, T step, int64_t samples, int64_t size) {
  if (!(std::abs(step) > 0) || samples < 64) return {0, samples};
  T low = (-2 - start) / step, high = (T(size) + 1 - start) / step;
  if (low > high) std::swap(low, high);
  const T all = static_cast<T>(samples);
  // A margin for rounding: each sample is checked again.
  return {static_cast<int64_t>(std::clamp(std::floor(low) - 2, T(0), all)),
          static_cast<int64_t>(std::clamp(std::ceil(high) + 2, T(0), all))};
}

/// The weights of one bin, whose samples are at begin + (i + ½)·length/samples.
template <class T>
typename Weights<T>::Row bin_weights(T begin, T length, int64_t samples, int64_t size, std::vector<T> &values,
                                     std::vector<T> &axis) {
  const T count = static_cast<T>(std::max<int64_t>(samples, 1));
  const auto [from, to] = samples_inside(begin, length / count, samples, size);
  int64_t first = size, last = -1;
  for (int64_t i = from; i < to; ++i) {
    T place = begin + (static_cast<T>(i) + T(0.5)) * length / count;
    if (!(place >= -1 && place <= static_cast<T>(size))) continue;
    place = std::max(place, T(0));
    int64_t low = static_cast<int64_t>(place), high = low + 1;
    if (low >= size - 1) low = high = size - 1, place = static_cast<T>(low);
    const T beyond = place - static_cast<T>(low);
    axis[low] += 1 - beyond, axis[high] += beyond;
    first = std::min(first, low), last = std::max(last, high);
  }
  typename Weights<T>::Row row{first, std::max<int64_t>(last - first + 1, 0),
                               static_cast<int64_t>(values.size())};
  for (int64_t i = first; i <= last; ++i) values.push_back(axis[i] / count), axis[i] = 0;
  return row;
}

/// Samples a side of a bin. A box that is inverted or not finite has none.
template <class T>
int64_t samples_of(T bin, int64_t ratio) {
  if (!std::isfinite(bin)) return 0;
  if (ratio > 0) return ratio;
  return bin > 0 ? static_cast<int64_t>(std::min(std::ceil(bin), T(1e9))) : 0;
}

template <class T>
Weights<T> axis_weights(T low, T high, int64_t bins, int64_t size, const RoIAlignArguments &how,
                        int64_t &samples) {
  const T scale = static_cast<T>(how.scale), shift = how.aligned ? T(0.5) : T(0);
  const T start = low * scale - shift;
  T length = high * scale - shift - start;
  if (!how.aligned) length = std::max(length, T(1));
  const T bin = length / static_cast<T>(bins);
  samples = samples_of(bin, how.ratio);
  Weights<T> result;
  std::vector<T> axis(size);
  for (int64_t i = 0; i < bins; ++i)
    result.rows.push_back(
        bin_weights(start + static_cast<T>(i) * bin, bin, samples, size, result.values, axis));
  return result;
}

}  // namespace

template <class T>
BoxWeights<T> box_weights(const T *box, int64_t height, int64_t width, const RoIAlignArguments &how) {
  BoxWeights<T> result{static_cast<int64_t>(box[0]), {}, {}};
  int64_t samples_y, samples_x;
  result.y = axis_weights(box[2], box[4], how.rows, height, how, samples_y);
  result.x = axis_weights(box[1], box[3], how.columns, width, how, samples_x);
  return result;
}

template <class T>
Weights<T> Weights<T>::transposed(int64_t &first) const {
  int64_t end = 0;
  first = INT64_MAX;
  for (const Row &row : rows)
    if (row.count > 0) first = std::min(first, row.first), end = std::max(end, row.first + row.count);
  Weights result;
  if (end == 0) return result;
  for (int64_t column = first; column < end; ++column) {
    const auto meets = [&](const Row &row) { return row.first <= column && column < row.first + row.count; };
    const auto from = std::find_if(rows.begin(), rows.end(), meets);
    const auto to = std::find_if(rows.rbegin(), rows.rend(), meets).base();
    Row own{from - rows.begin(), std::max<int64_t>(to - from, 0), static_cast<int64_t>(result.values.size())};
    for (auto row = from; row < to; ++row)
      result.values.push_back(meets(*row) ? values[row->at + column - row->first] : T(0));
    result.rows.push_back(own);
  }
  return result;
}

#define CT_INSTANTIATE(T)     \
  template struct Weights<T>; \
  template BoxWeights<T> box_weights(const T *, int64_t, int64_t, const RoIAlignArguments &);
CT_INSTANTIATE(float)
CT_INSTANTIATE(double)
#undef CT_INSTANTIATE

}  // namespace ctorch::detection
