// Batch normalisation's loops over one sample in channels-last memory: pixels × channels. Private to
// grouped.cpp.
//
// Each loop is a template, and a CT_WIDE function for float, one for double, and one for bfloat16, which is
// computed with in float: S is how values are stored, T what they are computed with.
#pragma once

#include "kernels/simd.h"

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstdint>

namespace ctorch::batch_norm {
namespace loops {

/// A stored number as it is computed with.
CT_INLINE float widen(c10::BFloat16 x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x.x) << 16); }
CT_INLINE float widen(float x) { return x; }
CT_INLINE double widen(double x) { return x; }

/// The nearest stored number; of two, the even one. c10's constructor gives the same, but clang leaves it
/// undefined where clones call it (findings/clang-target-clones-inline.sh).
CT_INLINE void narrow(float x, c10::BFloat16 &y) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x), up = 0x7FFF + (bits >> 16 & 1);
  y.x = static_cast<uint16_t>(x == x ? (bits + up) >> 16 : 0x7FC0);
}
CT_INLINE void narrow(float x, float &y) { y = x; }
CT_INLINE void narrow(double x, double &y) { y = x; }

/// dy where `value`, the output before the ReLU, is above `floor`. It is read in either case: AVX2 has no
/// masked loads of 16 bits.
template <class S, class T>
CT_INLINE T passed(T value, S dy, T floor) {
  const T all = widen(dy);
  return value > floor ? all : T(0);
}

/// Pixels whose sum is kept in the element's own precision before it goes to double.
constexpr int64_t block = 64;

template <class S, class T>
CT_INLINE void moments(const S *x, int64_t pixels, int64_t channels, double *mean, double *m2, T *scratch) {
  for (int64_t c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  for (int64_t start = 0; start < pixels; start += block) {
    const int64_t end = std::min(pixels, start + block);
    for (int64_t c = 0; c < channels; ++c) scratch[c] = 0;
    for (int64_t p = start; p < end; ++p) {
      const S *row = x + p * channels;
      for (int64_t c = 0; c < channels; ++c) scratch[c] += widen(row[c]);
    }
    for (int64_t c = 0; c < channels; ++c) mean[c] += scratch[c];
  }
  T *center = scratch + channels;
  for (int64_t c = 0; c < channels; ++c) center[c] = static_cast<T>(mean[c] /= pixels);
  for (int64_t start = 0; start < pixels; start += block) {
    const int64_t end = std::min(pixels, start + block);
    for (int64_t c = 0; c < channels; ++c) scratch[c] = 0;
    for (int64_t p = start; p < end; ++p) {
      const S *row = x + p * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const T offset = widen(row[c]) - center[c];
        scratch[c] += offset * offset;
      }
    }
    for (int64_t c = 0; c < channels; ++c) m2[c] += scratch[c];
  }
}

template <class S, class T>
CT_INLINE void transform(const S *x, S *y, int64_t pixels, int64_t channels, const T *scale, const T *shift,
                         T floor) {
  for (int64_t p = 0; p < pixels; ++p) {
    const S *from = x + p * channels;
    S *to = y + p * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T value = widen(from[c]) * scale[c] + shift[c];
      narrow(value > floor || value != value ? value : floor, to[c]);
    }
  }
}

template <class S, class T>
CT_INLINE void transform_onto(const S *x, const S *shortcut, S *y, int64_t pixels, int64_t channels,
                              const T *scale, const T *shift) {
  for (int64_t p = 0; p < pixels; ++p) {
    const int64_t at = p * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T value = widen(x[at + c]) * scale[c] + shift[c] + widen(shortcut[at + c]);
      narrow(value > 0 || value != value ? value : T(0), y[at + c]);
    }
  }
}

template <class S>
CT_INLINE void mask(const S *y, const S *dy, S *dz, int64_t count) {
  for (int64_t i = 0; i < count; ++i) narrow(passed(widen(y[i]), dy[i], decltype(widen(S()))(0)), dz[i]);
}

template <class S, class T>
CT_INLINE void gradient_sums(const S *x, const S *dy, int64_t pixels, int64_t channels, const T *scale,
                             const T *shift, const T *mean, const T *inverse, T floor, double *sum,
                             double *dot, T *scratch) {
  T *products = scratch + channels;
  for (int64_t c = 0; c < channels; ++c) sum[c] = dot[c] = 0;
  for (int64_t start = 0; start < pixels; start += block) {
    const int64_t end = std::min(pixels, start + block);
    for (int64_t c = 0; c < channels; ++c) scratch[c] = products[c] = 0;
    for (int64_t p = start; p < end; ++p) {
      const int64_t at = p * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const T value = widen(x[at + c]), dz = passed(value * scale[c] + shift[c], dy[at + c], floor);
        scratch[c] += dz;
        products[c] += dz * ((value - mean[c]) * inverse[c]);
      }
    }
    for (int64_t c = 0; c < channels; ++c) sum[c] += scratch[c], dot[c] += products[c];
  }
}

template <class S, class T>
CT_INLINE void input_gradient(const S *x, const S *dy, S *dx, int64_t pixels, int64_t channels,
                              const T *scale, const T *shift, const T *a, const T *b, const T *c0, T floor) {
  for (int64_t p = 0; p < pixels; ++p) {
    const int64_t at = p * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T value = widen(x[at + c]), dz = passed(value * scale[c] + shift[c], dy[at + c], floor);
      narrow(a[c] * dz + b[c] * value + c0[c], dx[at + c]);
    }
  }
}

}  // namespace loops

namespace {

#define CT_LOOPS(S, T)                                                                                         \
  /* Mean and sum of squared deviations of each channel. `scratch` has 2 · channels numbers. */               \
  CT_WIDE void moments(const S *x, int64_t pixels, int64_t channels, double *mean, double *m2, T *scratch) {   \
    loops::moments(x, pixels, channels, mean, m2, scratch);                                                    \
  }                                                                                                            \
  /* y = scale·x + shift, cut at `floor` (0 with a ReLU, −∞ without). */                                  \
  CT_WIDE void transform(const S *x, S *y, int64_t pixels, int64_t channels, const T *scale, const T *shift,   \
                         T floor) {                                                                            \
    loops::transform(x, y, pixels, channels, scale, shift, floor);                                             \
  }                                                                                                            \
  /* y = max(0, scale·x + shift + shortcut). */                                                               \
  CT_WIDE void transform_onto(const S *x, const S *shortcut, S *y, int64_t pixels, int64_t channels,           \
                              const T *scale, const T *shift) {                                                \
    loops::transform_onto(x, shortcut, y, pixels, channels, scale, shift);                                     \
  }                                                                                                            \
  /* dz = dy where the output passed the ReLU. */                                                              \
  CT_WIDE void mask(const S *y, const S *dy, S *dz, int64_t count) { loops::mask(y, dy, dz, count); }          \
  /* Sums of dz and of dz·x̂, where dz is dy where scale·x + shift is above `floor`. `scratch` as above. */ \
  CT_WIDE void gradient_sums(const S *x, const S *dy, int64_t pixels, int64_t channels, const T *scale,        \
                             const T *shift, const T *mean, const T *inverse, T floor, double *sum,            \
                             double *dot, T *scratch) {                                                        \
    loops::gradient_sums(x, dy, pixels, channels, scale, shift, mean, inverse, floor, sum, dot, scratch);      \
  }                                                                                                            \
  /* dx = a·dz + b·x + c0. */                                                                                \
  CT_WIDE void input_gradient(const S *x, const S *dy, S *dx, int64_t pixels, int64_t channels,                \
                              const T *scale, const T *shift, const T *a, const T *b, const T *c0,             \
                              T floor) {                                                                       \
    loops::input_gradient(x, dy, dx, pixels, channels, scale, shift, a, b, c0, floor);                         \
  }
CT_LOOPS(float, float)
CT_LOOPS(double, double)
CT_LOOPS(c10::BFloat16, float)
#undef CT_LOOPS

}  // namespace

}  // namespace ctorch::batch_norm
