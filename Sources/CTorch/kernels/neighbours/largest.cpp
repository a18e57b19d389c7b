#include "kernels/neighbours/largest.h"

#include "kernels/simd.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace ctorch::neighbours {

namespace {

constexpr int64_t samples = 256;
/// By so many places of the sample the new bound lies lower than its guess: 2½ standard deviations where half
/// of the numbers are to stay.
constexpr int64_t margin = 20;
/// Fewer numbers are not worth a sample.
constexpr int64_t least_limit = 1024;
/// Numbers that are compared with the bound together. Of 50,000 about one in 50 passes where k is 200.
constexpr int64_t run = 8, runs_at_once = 128;

template <class T>
CT_INLINE int64_t count_above_loop(const T *x, int64_t count, T bound) {
  int64_t above = 0;
  for (int64_t i = 0; i < count; ++i) above += x[i] > bound;
  return above;
}

CT_WIDE int64_t count_above(const float *x, int64_t count, float bound) {
  return count_above_loop(x, count, bound);
}
CT_WIDE int64_t count_above(const double *x, int64_t count, double bound) {
  return count_above_loop(x, count, bound);
}

/// Writes the first places of the runs of which a number passes: exceeds the bound, or one of both is NaN.
/// Returns how many there are. No branch here either.
template <class T>
CT_INLINE int64_t find_runs_loop(const T *x, int64_t runs, T bound, int32_t *starts) {
  int64_t found = 0;
  for (int64_t i = 0; i < runs; ++i) {
    bool passes = false;
    for (int64_t j = 0; j < run; ++j) passes |= !(x[i * run + j] <= bound);
    starts[found] = static_cast<int32_t>(i * run);
    found += passes;
  }
  return found;
}

CT_WIDE int64_t find_runs(const float *x, int64_t runs, float bound, int32_t *starts) {
  return find_runs_loop(x, runs, bound, starts);
}
CT_WIDE int64_t find_runs(const double *x, int64_t runs, double bound, int32_t *starts) {
  return find_runs_loop(x, runs, bound, starts);
}

}  // namespace

template <class T>
Largest<T>::Largest(int64_t k, int64_t piece)
    : k(k),
      limit(std::max(2 * k, least_limit)),
      bound(std::numeric_limits<T>::quiet_NaN()),
      kept(limit + piece),
      places(limit + piece) {}

template <class T>
void Largest<T>::add(const T *numbers, int64_t count, int64_t first) {
  int32_t starts[runs_at_once];
  const int64_t whole = count / run * run;
  for (int64_t i = 0; i < whole; i += run * runs_at_once) {
    const int64_t runs = find_runs(numbers + i, std::min(runs_at_once, (whole - i) / run), bound, starts);
    for (int64_t j = 0; j < runs; ++j) keep(numbers + i + starts[j], run, first + i + starts[j]);
  }
  keep(numbers + whole, count - whole, first + whole);
  if (size > limit) thin();
}

/// Appends those that pass.
template <class T>
inline void Largest<T>::keep(const T *numbers, int64_t count, int64_t first) {
  T *values = kept.data();
  int32_t *indices = places.data();
  const T least = bound;
  int64_t end = size;
  for (int64_t i = 0; i < count; ++i) {
    const T x = numbers[i] == numbers[i] ? numbers[i] : std::numeric_limits<T>::infinity();
    values[end] = x, indices[end] = static_cast<int32_t>(first + i);
    end += !(x <= least);  // no branch: half of the numbers may pass
  }
  size = end;
}

/// Leaves at most `limit` numbers. Every number that is kept exceeds the bound, which k others do: later ones
/// that equal it are never among the first k.
template <class T>
void Largest<T>::thin() {
  const int64_t place = k * samples / size + margin;
  if (place >= samples) return keep_largest();
  scratch.resize(samples);
  for (int64_t i = 0; i < samples; ++i) scratch[i] = kept[i * size / samples];
  std::nth_element(scratch.begin(), scratch.begin() + place, scratch.end(), std::greater<T>());
  const T guess = scratch[place];
  const int64_t above = count_above(kept.data(), size, guess);
  if (above < k || above > limit) return keep_largest();  // the sample was not like the rest
  keep_above(guess);
}

template <class T>
void Largest<T>::keep_above(T least) {
  int64_t end = 0;
  for (int64_t i = 0; i < size; ++i) {
    const T x = kept[i];
    kept[end] = x, places[end] = places[i];
    end += x > least;
  }
  size = end, bound = least;
}

/// The k largest, and of those that equal the last one the first.
template <class T>
void Largest<T>::keep_largest() {
  if (size <= k) return;
  scratch.assign(kept.begin(), kept.begin() + size);
  std::nth_element(scratch.begin(), scratch.begin() + (k - 1), scratch.end(), std::greater<T>());
  const T last = scratch[k - 1];
  int64_t equals = k - count_above(kept.data(), size, last), end = 0;
  for (int64_t i = 0; i < size; ++i) {
    const T x = kept[i];
    const bool is_last = x == last && equals > 0;
    kept[end] = x, places[end] = places[i];
    equals -= is_last, end += x > last || is_last;
  }
  size = end, bound = last;
}

template <class T>
void Largest<T>::finish(int64_t *chosen, T *numbers) {
  keep_largest();
  std::copy(places.begin(), places.begin() + k, chosen);
  std::copy(kept.begin(), kept.begin() + k, numbers);
}

template class Largest<float>;
template class Largest<double>;

}  // namespace ctorch::neighbours
