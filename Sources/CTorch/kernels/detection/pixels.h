// Sums of weighted pixels, all channels at a time. Pixels lie in rows of `width`, each of `channels` numbers.
#pragma once

#include "kernels/detection/weights.h"

namespace ctorch::detection {

/// to[c] = Σ y·x·pixel[c] over a rectangle of pixels.
void weighted_pixels(const float *pixels, int64_t width, int64_t channels, Part<float> y, Part<float> x,
                     float *to);
void weighted_pixels(const double *pixels, int64_t width, int64_t channels, Part<double> y, Part<double> x,
                     double *to);

/// to[c] += Σ y·x·pixel[c].
void add_weighted_pixels(const float *pixels, int64_t width, int64_t channels, Part<float> y, Part<float> x,
                         float *to);
void add_weighted_pixels(const double *pixels, int64_t width, int64_t channels, Part<double> y,
                         Part<double> x, double *to);

}  // namespace ctorch::detection
