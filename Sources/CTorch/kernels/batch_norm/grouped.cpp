// A sample's statistics are taken while it is in the cache and combined per group in double precision;
// neither the sum with a shortcut nor the ReLU costs a pass of its own, forward or backward.
#include "kernels/batch_norm/grouped.h"

#include "kernels/batch_norm/loops.h"
#include "kernels/parallel.h"

#include <cmath>
#include <limits>
#include <vector>

namespace ctorch::batch_norm {

namespace {

template <class T>
T floor_value(bool relu) {
  return relu ? T(0) : -std::numeric_limits<T>::infinity();
}

}  // namespace

template <class S, class T>
void statistics(const Sizes &s, const S *x, T *means, T *inverses, T *running_means, T *running_vars,
                double momentum, double eps) {
  const int64_t n = s.n, channels = s.channels, pixels = s.pixels, groups = s.groups;
  std::vector<double> mean(n * channels), m2(n * channels);
  for_each_in_parallel(n, [&](int64_t i) {
    std::vector<T> scratch(2 * channels);
    moments(x + i * s.sample(), pixels, channels, &mean[i * channels], &m2[i * channels], scratch.data());
  });
  const double members = static_cast<double>(n / groups), values = s.values();
  for (int64_t c = 0; c < channels; ++c) {
    double batch_mean = 0, batch_var = 0;
    for (int64_t g = 0; g < groups; ++g) {
      double center = 0, spread = 0;
      for (int64_t i = g; i < n; i += groups) center += mean[i * channels + c];
      center /= members;
      for (int64_t i = g; i < n; i += groups) {
        const double offset = mean[i * channels + c] - center;
        spread += m2[i * channels + c] + pixels * offset * offset;
      }
      means[g * channels + c] = static_cast<T>(center);
      inverses[g * channels + c] = static_cast<T>(1 / std::sqrt(spread / values + eps));
      batch_mean += center / groups;
      batch_var += spread / (values - 1) / groups;
    }
    running_means[c] = static_cast<T>((1 - momentum) * running_means[c] + momentum * batch_mean);
    running_vars[c] = static_cast<T>((1 - momentum) * running_vars[c] + momentum * batch_var);
  }
}

template <class S, class T>
void normalize(const Sizes &s, const S *x, const S *shortcut, const T *scale, const T *shift, bool relu,
               S *y) {
  for_each_in_parallel(s.n, [&](int64_t i) {
    const int64_t at = i * s.sample(), row = s.row(i);
    if (shortcut)
      transform_onto(x + at, shortcut + at, y + at, s.pixels, s.channels, scale + row, shift + row);
    else
      transform(x + at, y + at, s.pixels, s.channels, scale + row, shift + row, floor_value<T>(relu));
  });
}

template <class S, class T>
void gradients(const Sizes &s, const S *x, const S *y, const S *dy, const T *weight,
               const Coefficients<T> &with, bool relu, S *dx, S *dshortcut, T *dweight, T *dbias) {
  const int64_t n = s.n, channels = s.channels, pixels = s.pixels, groups = s.groups, size = s.sample();
  // The shortcut's gradient is dy where the output passed the ReLU; where it is written, the rest is computed
  // from it.
  const T floor = floor_value<T>(relu && !dshortcut);
  std::vector<double> sum(n * channels), dot(n * channels);
  for_each_in_parallel(n, [&](int64_t i) {
    std::vector<T> scratch(2 * channels);
    const int64_t at = i * size, row = s.row(i);
    if (dshortcut) mask(y + at, dy + at, dshortcut + at, size);
    gradient_sums(x + at, (dshortcut ? dshortcut : dy) + at, pixels, channels, with.scale + row,
                  with.shift + row, with.mean + row, with.inverse + row, floor, &sum[i * channels],
                  &dot[i * channels], scratch.data());
  });
  if (dshortcut) dy = dshortcut;

  std::vector<T> a(groups * channels), b(groups * channels), c0(groups * channels);
  const double values = s.values();
  for (int64_t c = 0; c < channels; ++c) {
    double weight_gradient = 0, bias_gradient = 0;
    for (int64_t g = 0; g < groups; ++g) {
      double total = 0, product = 0;
      for (int64_t i = g; i < n; i += groups)
        total += sum[i * channels + c], product += dot[i * channels + c];
      weight_gradient += product, bias_gradient += total;
      const int64_t k = g * channels + c;
      const double inverse_k = with.inverse[k], gain = weight[c] * inverse_k;
      const double by_x = -gain * inverse_k * product / values;
      a[k] = static_cast<T>(gain);
      b[k] = static_cast<T>(by_x);
      c0[k] = static_cast<T>(-gain * total / values - by_x * with.mean[k]);
    }
    dweight[c] = static_cast<T>(weight_gradient);
    dbias[c] = static_cast<T>(bias_gradient);
  }
  for_each_in_parallel(n, [&](int64_t i) {
    const int64_t at = i * size, row = s.row(i);
    input_gradient(x + at, dy + at, dx + at, pixels, channels, with.scale + row, with.shift + row, &a[row],
                   &b[row], &c0[row], floor);
  });
}

#define CT_INSTANTIATE(S, T)                                                                     \
  template void statistics(const Sizes &, const S *, T *, T *, T *, T *, double, double);        \
  template void normalize(const Sizes &, const S *, const S *, const T *, const T *, bool, S *); \
  template void gradients(const Sizes &, const S *, const S *, const S *, const T *,             \
                          const Coefficients<T> &, bool, S *, S *, T *, T *);
CT_INSTANTIATE(float, float)
CT_INSTANTIATE(double, double)
CT_INSTANTIATE(c10::BFloat16, float)
#undef CT_INSTANTIATE

}  // namespace ctorch::batch_norm
