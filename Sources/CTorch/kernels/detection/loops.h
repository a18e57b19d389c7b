// RoIAlign's loops over the channels of pixels. Private to roi_align.cpp.
#pragma once

#include "kernels/detection/weights.h"
#include "kernels/simd.h"

#include <cstdint>

namespace ctorch::detection {

/// One row of weights: of the pixels, or bins, first …< first + count.
template <class T>
struct Part {
  int64_t first, count;
  const T *weights;
};

template <class T>
Part<T> part(const Weights<T> &all, int64_t row) {
  const auto &own = all.rows[row];
  return {own.first, own.count, all.values.data() + own.at};
}

/// to[c] = Σ y·x·pixel[c].
template <class T>
void weighted_pixels(const T *pixels, int64_t width, int64_t channels, Part<T> y, Part<T> x, T *to) {
  for (int64_t c = 0; c < channels; ++c) to[c] = 0;
  for (int64_t i = 0; i < y.count; ++i)
    for (int64_t j = 0; j < x.count; ++j) {
      const T weight = y.weights[i] * x.weights[j];
      const T *pixel = pixels + ((y.first + i) * width + x.first + j) * channels;
      for (int64_t c = 0; c < channels; ++c) to[c] += weight * pixel[c];
    }
}

/// to[c] += Σ y·x·pixel[c].
template <class T>
void add_weighted_pixels(const T *pixels, int64_t width, int64_t channels, Part<T> y, Part<T> x, T *to) {
  for (int64_t i = 0; i < y.count; ++i)
    for (int64_t j = 0; j < x.count; ++j) {
      const T weight = y.weights[i] * x.weights[j];
      const T *pixel = pixels + ((y.first + i) * width + x.first + j) * channels;
      for (int64_t c = 0; c < channels; ++c) to[c] += weight * pixel[c];
    }
}

}  // namespace ctorch::detection
