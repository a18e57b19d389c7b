// Batch normalisation's loops over one sample in channels-last memory: pixels × channels. Private to
// grouped.cpp.
//
// Each loop is a template, and a CT_WIDE function for float and one for double.
#pragma once

#include "kernels/simd.h"

#include <algorithm>
#include <cstdint>

namespace ctorch::batch_norm {
namespace loops {

#define CT_INLINE __attribute__((always_inline)) inline

/// Pixels whose sum is kept in the element's own precision before it goes to double.
constexpr int64_t block = 64;

template <class T>
CT_INLINE void moments(const T *x, int64_t pixels, int64_t channels, double *mean, double *m2, T *scratch) {
  for (int64_t c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  for (int64_t start = 0; start < pixels; start += block) {
    const int64_t end = std::min(pixels, start + block);
    for (int64_t c = 0; c < channels; ++c) scratch[c] = 0;
    for (int64_t p = start; p < end; ++p) {
      const T *row = x + p * channels;
      for (int64_t c = 0; c < channels; ++c) scratch[c] += row[c];
    }
    for (int64_t c = 0; c < channels; ++c) mean[c] += scratch[c];
  }
  T *center = scratch + channels;
  for (int64_t c = 0; c < channels; ++c) center[c] = static_cast<T>(mean[c] /= pixels);
  for (int64_t start = 0; start < pixels; start += block) {
    const int64_t end = std::min(pixels, start + block);
    for (int64_t c = 0; c < channels; ++c) scratch[c] = 0;
    for (int64_t p = start; p < end; ++p) {
      const T *row = x + p * channels;
      for (int64_t c = 0; c < channels; ++c) scratch[c] += (row[c] - center[c]) * (row[c] - center[c]);
    }
    for (int64_t c = 0; c < channels; ++c) m2[c] += scratch[c];
  }
}

template <class T>
CT_INLINE void transform(const T *x, T *y, int64_t pixels, int64_t channels, const T *scale, const T *shift,
                         T floor) {
  for (int64_t p = 0; p < pixels; ++p) {
    const T *from = x + p * channels;
    T *to = y + p * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T value = from[c] * scale[c] + shift[c];
      to[c] = value > floor || value != value ? value : floor;
    }
  }
}

template <class T>
CT_INLINE void transform_onto(const T *x, const T *shortcut, T *y, int64_t pixels, int64_t channels,
                              const T *scale, const T *shift) {
  for (int64_t p = 0; p < pixels; ++p) {
    const int64_t at = p * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T value = x[at + c] * scale[c] + shift[c] + shortcut[at + c];
      y[at + c] = value > 0 || value != value ? value : T(0);
    }
  }
}

template <class T>
CT_INLINE void mask(const T *y, const T *dy, T *dz, int64_t count) {
  for (int64_t i = 0; i < count; ++i) dz[i] = y[i] > 0 ? dy[i] : T(0);
}

template <class T>
CT_INLINE void gradient_sums(const T *x, const T *y, const T *dy, int64_t pixels, int64_t channels,
                             const T *mean, const T *inverse, T floor, double *sum, double *dot, T *scratch) {
  T *products = scratch + channels;
  for (int64_t c = 0; c < channels; ++c) sum[c] = dot[c] = 0;
  for (int64_t start = 0; start < pixels; start += block) {
    const int64_t end = std::min(pixels, start + block);
    for (int64_t c = 0; c < channels; ++c) scratch[c] = products[c] = 0;
    for (int64_t p = start; p < end; ++p) {
      const int64_t at = p * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const T dz = y[at + c] > floor ? dy[at + c] : T(0);
        scratch[c] += dz;
        products[c] += dz * ((x[at + c] - mean[c]) * inverse[c]);
      }
    }
    for (int64_t c = 0; c < channels; ++c) sum[c] += scratch[c], dot[c] += products[c];
  }
}

template <class T>
CT_INLINE void input_gradient(const T *x, const T *y, const T *dy, T *dx, int64_t pixels, int64_t channels,
                              const T *a, const T *b, const T *c0, T floor) {
  for (int64_t p = 0; p < pixels; ++p) {
    const int64_t at = p * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const T dz = y[at + c] > floor ? dy[at + c] : T(0);
      dx[at + c] = a[c] * dz + b[c] * x[at + c] + c0[c];
    }
  }
}

}  // namespace loops

namespace {

/// Mean and sum of squared deviations of each channel. `scratch` has 2 · channels numbers.
CT_WIDE void moments(const float *x, int64_t pixels, int64_t channels, double *mean, double *m2,
                     float *scratch) {
  loops::moments(x, pixels, channels, mean, m2, scratch);
}
CT_WIDE void moments(const double *x, int64_t pixels, int64_t channels, double *mean, double *m2,
                     double *scratch) {
  loops::moments(x, pixels, channels, mean, m2, scratch);
}

/// y = scale·x + shift, cut at `floor` (0 with a ReLU, −∞ without).
CT_WIDE void transform(const float *x, float *y, int64_t pixels, int64_t channels, const float *scale,
                       const float *shift, float floor) {
  loops::transform(x, y, pixels, channels, scale, shift, floor);
}
CT_WIDE void transform(const double *x, double *y, int64_t pixels, int64_t channels, const double *scale,
                       const double *shift, double floor) {
  loops::transform(x, y, pixels, channels, scale, shift, floor);
}

/// y = max(0, scale·x + shift + shortcut).
CT_WIDE void transform_onto(const float *x, const float *shortcut, float *y, int64_t pixels, int64_t channels,
                            const float *scale, const float *shift) {
  loops::transform_onto(x, shortcut, y, pixels, channels, scale, shift);
}
CT_WIDE void transform_onto(const double *x, const double *shortcut, double *y, int64_t pixels,
                            int64_t channels, const double *scale, const double *shift) {
  loops::transform_onto(x, shortcut, y, pixels, channels, scale, shift);
}

/// dz = dy where the output passed the ReLU.
CT_WIDE void mask(const float *y, const float *dy, float *dz, int64_t count) {
  loops::mask(y, dy, dz, count);
}
CT_WIDE void mask(const double *y, const double *dy, double *dz, int64_t count) {
  loops::mask(y, dy, dz, count);
}

/// Sums of dz and of dz·x̂, where dz is dy where the output passed the ReLU. `scratch` has 2 · channels
/// numbers.
CT_WIDE void gradient_sums(const float *x, const float *y, const float *dy, int64_t pixels, int64_t channels,
                           const float *mean, const float *inverse, float floor, double *sum, double *dot,
                           float *scratch) {
  loops::gradient_sums(x, y, dy, pixels, channels, mean, inverse, floor, sum, dot, scratch);
}
CT_WIDE void gradient_sums(const double *x, const double *y, const double *dy, int64_t pixels,
                           int64_t channels, const double *mean, const double *inverse, double floor,
                           double *sum, double *dot, double *scratch) {
  loops::gradient_sums(x, y, dy, pixels, channels, mean, inverse, floor, sum, dot, scratch);
}

/// dx = a·dz + b·x + c0.
CT_WIDE void input_gradient(const float *x, const float *y, const float *dy, float *dx, int64_t pixels,
                            int64_t channels, const float *a, const float *b, const float *c0, float floor) {
  loops::input_gradient(x, y, dy, dx, pixels, channels, a, b, c0, floor);
}
CT_WIDE void input_gradient(const double *x, const double *y, const double *dy, double *dx, int64_t pixels,
                            int64_t channels, const double *a, const double *b, const double *c0,
                            double floor) {
  loops::input_gradient(x, y, dy, dx, pixels, channels, a, b, c0, floor);
}

}  // namespace

#undef CT_INLINE

}  // namespace ctorch::batch_norm
