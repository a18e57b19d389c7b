// The largest numbers of a long row, without the row in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace ctorch::neighbours {

/// The places of the *k* largest numbers of a row that comes piece by piece. Of equal numbers the first are
/// taken; NaN counts as infinity.
///
/// It keeps a bound that *k* numbers of the row exceed, and the numbers above it, in their order. When they
/// have become many, a sample of them gives a higher bound; only the last selection is an exact one.
template <class T>
class Largest {
public:
  /// - Parameter piece: the most numbers that come at once.
  Largest(int64_t k, int64_t piece);

  /// The row's next numbers, from place `first` on.
  void add(const T *numbers, int64_t count, int64_t first);
  /// Writes the k places in rising order, and the numbers there. The row had at least k numbers.
  void finish(int64_t *chosen, T *numbers);

private:
  void keep(const T *numbers, int64_t count, int64_t first);
  void thin();
  void keep_largest();
  void keep_above(T bound);

  const int64_t k, limit;
  int64_t size = 0;
  T bound;  // NaN while every number is kept
  std::vector<T> kept;
  std::vector<int32_t> places;
  std::vector<T> scratch;
};

}  // namespace ctorch::neighbours
