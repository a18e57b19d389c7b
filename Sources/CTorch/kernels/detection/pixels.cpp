#include "kernels/detection/pixels.h"

#include "kernels/simd.h"

namespace ctorch::detection {
namespace loops {

/// 32 bytes of numbers.
template <class T>
using Lanes = T __attribute__((vector_size(32)));

/// Numbers in one vector.
template <class T>
constexpr int64_t width_of = 32 / sizeof(T);

/// From any address. Not returned: without AVX that would be another calling convention.
template <class T>
CT_INLINE void load(Lanes<T> &to, const T *from) {
  __builtin_memcpy(&to, from, sizeof(to));
}

/// The sums of so many vectors of channels, in registers.
template <class T, int vectors>
CT_INLINE void sums(const T *pixels, int64_t width, int64_t channels, Part<T> y, Part<T> x, bool add, T *to) {
  Lanes<T> sum[vectors];
#pragma clang loop unroll(full)
  for (int k = 0; k < vectors; ++k) {
    sum[k] = Lanes<T>{};
    if (add) load(sum[k], to + k * width_of<T>);
  }
  for (int64_t i = 0; i < y.count; ++i) {
    const T *pixel = pixels + ((y.first + i) * width + x.first) * channels;
    for (int64_t j = 0; j < x.count; ++j, pixel += channels) {
      const T weight = y.weights[i] * x.weights[j];
#pragma clang loop unroll(full)
      for (int k = 0; k < vectors; ++k) {
        Lanes<T> numbers;
        load(numbers, pixel + k * width_of<T>);
        sum[k] += weight * numbers;
      }
    }
  }
#pragma clang loop unroll(full)
  for (int k = 0; k < vectors; ++k) __builtin_memcpy(to + k * width_of<T>, &sum[k], sizeof(sum[k]));
}

template <class T>
CT_INLINE void sums_of_all(const T *pixels, int64_t width, int64_t channels, Part<T> y, Part<T> x, bool add,
                           T *to) {
  int64_t c = 0;
  for (; c + 8 * width_of<T> <= channels; c += 8 * width_of<T>)
    sums<T, 8>(pixels + c, width, channels, y, x, add, to + c);
  for (; c + width_of<T> <= channels; c += width_of<T>)
    sums<T, 1>(pixels + c, width, channels, y, x, add, to + c);
  for (; c < channels; ++c) {
    T sum = add ? to[c] : T(0);
    for (int64_t i = 0; i < y.count; ++i)
      for (int64_t j = 0; j < x.count; ++j)
        sum += y.weights[i] * x.weights[j] * pixels[((y.first + i) * width + x.first + j) * channels + c];
    to[c] = sum;
  }
}

}  // namespace loops

CT_WIDE_FUSED void weighted_pixels(const float *pixels, int64_t width, int64_t channels, Part<float> y,
                                   Part<float> x, float *to) {
  loops::sums_of_all(pixels, width, channels, y, x, false, to);
}
CT_WIDE_FUSED void weighted_pixels(const double *pixels, int64_t width, int64_t channels, Part<double> y,
                                   Part<double> x, double *to) {
  loops::sums_of_all(pixels, width, channels, y, x, false, to);
}

CT_WIDE_FUSED void add_weighted_pixels(const float *pixels, int64_t width, int64_t channels, Part<float> y,
                                       Part<float> x, float *to) {
  loops::sums_of_all(pixels, width, channels, y, x, true, to);
}
CT_WIDE_FUSED void add_weighted_pixels(const double *pixels, int64_t width, int64_t channels, Part<double> y,
                                       Part<double> x, double *to) {
  loops::sums_of_all(pixels, width, channels, y, x, true, to);
}

}  // namespace ctorch::detection
