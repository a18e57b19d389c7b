// Batch normalisation in groups on plain memory: images in channels-last order, with group j's samples at the
// indices ≡ j modulo the number of groups. S is how values are stored, T what they are computed with: float
// or double both, or bfloat16 with float.
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
template <class S, class T>
void statistics(const Sizes &s, const S *x, T *mean, T *inverse, T *running_mean, T *running_var,
                double momentum, double eps);

/// y = scale·x + shift, plus the shortcut if there is one (or null), cut at 0 with `relu`, which a shortcut
/// needs. Scale and shift are groups × channels.
template <class S, class T>
void normalize(const Sizes &s, const S *x, const S *shortcut, const T *scale, const T *shift, bool relu,
               S *y);

/// The numbers that a batch was normalised with, groups × channels each.
template <class T>
struct Coefficients {
  const T *mean, *inverse, *scale, *shift;
};

/// Gradients of `normalize` after `statistics`. Where the ReLU cut is computed again from x, and with a
/// shortcut read from the output `y`; else `y` and `dshortcut` are null.
template <class S, class T>
void gradients(const Sizes &s, const S *x, const S *y, const S *dy, const T *weight,
               const Coefficients<T> &with, bool relu, S *dx, S *dshortcut, T *dweight, T *dbias);

}  // namespace ctorch::batch_norm
