// Batch normalisation in groups on plain memory: images in channels-last order, with group j's samples at the
// indices ≡ j modulo the number of groups. T is float or double.
#pragma once

#include <cstdint>

namespace ctorch::batch_norm {

struct Sizes {
  int64_t n, channels, pixels, groups;

  int64_t sample() const { return channels * pixels; }
  /// Where the statistics of sample i are in an array of groups × channels.
  int64_t row(int64_t i) const { return i % groups * channels; }
  /// Values of a channel in a group.
  double values() const { return static_cast<double>(n / groups) * static_cast<double>(pixels); }
};

/// Mean and 1/√(variance + eps) of each group, groups × channels; moves the running statistics by the mean
/// over the groups.
template <class T>
void statistics(const Sizes &s, const T *x, T *mean, T *inverse, T *running_mean, T *running_var,
                double momentum, double eps);

/// y = scale·x + shift, plus the shortcut if there is one (or null), cut at 0 with `relu`, which a shortcut
/// needs. Scale and shift are groups × channels.
template <class T>
void normalize(const Sizes &s, const T *x, const T *shortcut, const T *scale, const T *shift, bool relu,
               T *y);

/// Gradients of `normalize` after `statistics`. `y` is its output, or x where there was no ReLU. `dshortcut`
/// is null where there was no shortcut.
template <class T>
void gradients(const Sizes &s, const T *x, const T *y, const T *dy, const T *weight, const T *mean,
               const T *inverse, bool relu, T *dx, T *dshortcut, T *dweight, T *dbias);

}  // namespace ctorch::batch_norm
