// The first boxes that are left, a block of them, are decided one after another. Those that are kept then
// drop others in all that follow, on all threads, and what remains moves together.
#include "kernels/detection/suppression.h"

#include "kernels/detection/overlap.h"
#include "kernels/parallel.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace ctorch::detection {

namespace {

constexpr int64_t block = 64;
/// Boxes whose corners and flags stay in the first cache while a block's boxes pass.
constexpr int64_t part = 1024;
/// Fewer pairs of boxes are not worth a second thread.
constexpr int64_t pairs_of_a_thread = 1 << 16;

/// The largest number of this type that is at most the threshold: a number of the type is above the one
/// exactly where it is above the other.
template <class T>
T at_most(double threshold) {
  const T near = static_cast<T>(threshold);
  return static_cast<double>(near) > threshold ? std::nextafter(near, -INFINITY) : near;
}

/// The boxes that are left.
template <class T>
class Remaining {
  using Flag = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

public:
  Remaining(const T *boxes, const std::vector<int64_t> &places, double threshold)
      : count(static_cast<int64_t>(places.size())),
        threshold(at_most<T>(threshold)),
        places(places),
        numbers(5 * places.size()),
        dropped(places.size()) {
    const Corners<T> all = corners();
    for (int64_t i = 0; i < count; ++i) {
      const T *box = boxes + 4 * places[i];
      all.x0[i] = box[0], all.y0[i] = box[1], all.x1[i] = box[2], all.y1[i] = box[3];
    }
    areas(all, count);
  }

  /// Moves the next block's kept boxes to `result`.
  void decide(std::vector<int64_t> &result) {
    const int64_t end = std::min(block, count);
    std::vector<int64_t> leads;
    for (int64_t i = 0; i < end; ++i) {
      if (dropped[i]) continue;
      leads.push_back(i), result.push_back(places[i]);
      drop(i, i + 1, end);
    }
    const int64_t rest = count - end, parts = ceil_div(rest, part);
    const auto decide_part = [&](int64_t k) {
      for (const int64_t i : leads) drop(i, end + k * part, std::min(count, end + (k + 1) * part));
    };
    if (rest * static_cast<int64_t>(leads.size()) < 2 * pairs_of_a_thread)
      for (int64_t k = 0; k < parts; ++k) decide_part(k);
    else
      for_each_in_parallel(parts, decide_part);
    move_together(end);
  }

  int64_t count;

private:
  Corners<T> corners() {
    T *start = numbers.data();
    const int64_t all = static_cast<int64_t>(dropped.size());
    return {start, start + all, start + 2 * all, start + 3 * all, start + 4 * all};
  }

  void drop(int64_t by, int64_t from, int64_t to) {
    drop_covered(corners() + by, corners() + from, to - from, threshold, dropped.data() + from);
  }

  /// Those from `start` on that are not dropped become the first.
  void move_together(int64_t start) {
    const Corners<T> all = corners();
    int64_t to = 0;
    for (int64_t i = start; i < count; ++i) {
      all.x0[to] = all.x0[i], all.y0[to] = all.y0[i], all.x1[to] = all.x1[i], all.y1[to] = all.y1[i];
      all.area[to] = all.area[i], places[to] = places[i];
      to += 1 - dropped[i];
    }
    count = to;
    std::fill(dropped.begin(), dropped.begin() + count, Flag(0));
  }

  const T threshold;
  std::vector<int64_t> places;
  std::vector<T> numbers;  // x0 of all boxes, y0, x1, y1, the area
  std::vector<Flag> dropped;
};

}  // namespace

template <class T>
std::vector<int64_t> kept(const T *boxes, const std::vector<int64_t> &places, double threshold) {
  Remaining<T> remaining(boxes, places, threshold);
  std::vector<int64_t> result;
  while (remaining.count > 0) remaining.decide(result);
  return result;
}

template std::vector<int64_t> kept(const float *, const std::vector<int64_t> &, double);
template std::vector<int64_t> kept(const double *, const std::vector<int64_t> &, double);

}  // namespace ctorch::detection
