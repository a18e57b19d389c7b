// Where the pixels of an enlarged map lie between those of the small one.
#pragma once

#include <cstdint>
#include <vector>

namespace ctorch::segmentation {

/// A pixel's place on one axis: 1 − beyond of the small map's pixel `low`, and `beyond` of `high`.
struct Place {
  int64_t low, high;
  double beyond;
};

/// The places of `enlarged` pixels between `small` ones, as LibTorch's bilinear interpolation has them.
std::vector<Place> places(int64_t small, int64_t enlarged, bool align_corners);

/// Neighbouring pixels first ..< end that lie between the same two.
struct Interval {
  int64_t first, end, low, high;
};
std::vector<Interval> intervals(const std::vector<Place> &places);

/// A row's pixels, as many at a time as a vector has lanes: each is the sum over `count` columns of the small
/// map, from `first` on, of a value and its lane's weight. Lanes behind the row's end weigh nothing.
template <class T>
class Columns {
public:
  static constexpr int64_t lanes = 32 / sizeof(T);

  struct Group {
    int64_t first, count;
    const T *weights;  // count × lanes
  };

  Columns(int64_t small, int64_t enlarged, bool align_corners);

  int64_t small() const { return small_; }
  int64_t groups() const { return static_cast<int64_t>(spans.size()); }
  Group operator[](int64_t i) const { return {spans[i].first, spans[i].count, values.data() + spans[i].at}; }

private:
  struct Span {
    int64_t first, count, at;
  };
  int64_t small_;
  std::vector<Span> spans;
  std::vector<T> values;
};

}  // namespace ctorch::segmentation
