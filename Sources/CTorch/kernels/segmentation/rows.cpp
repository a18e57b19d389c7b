#include "kernels/segmentation/rows.h"

#include "kernels/segmentation/exp.h"
#include "kernels/simd.h"

#include <cmath>
#include <limits>

namespace ctorch::segmentation {
namespace loops {

template <class T>
constexpr int64_t lanes = Columns<T>::lanes;

/// From any address. Not returned: without AVX that would be another calling convention.
template <class T>
CT_INLINE void load(Lanes<T> &to, const T *from) {
  __builtin_memcpy(&to, from, sizeof(to));
}
template <class T>
CT_INLINE void store(T *to, const Lanes<T> &from) {
  __builtin_memcpy(to, &from, sizeof(from));
}

/// The logits of a class of a group's pixels.
template <class T>
CT_INLINE void logits(const typename Columns<T>::Group &group, const T *row, int64_t classes, int64_t c,
                      Lanes<T> &sum) {
  sum = Lanes<T>{};
  const T *value = row + group.first * classes + c;
  for (int64_t k = 0; k < group.count; ++k) {
    Lanes<T> weights;
    load(weights, group.weights + k * lanes<T>);
    sum += value[k * classes] * weights;
  }
}

template <class T>
CT_INLINE void mix(const T *low, const T *high, T beyond, int64_t count, T *row) {
  for (int64_t i = 0; i < count; ++i) row[i] = low[i] + beyond * (high[i] - low[i]);
}

template <class T>
CT_INLINE void unmix(T *row, T beyond, int64_t count, T *low, T *high) {
  for (int64_t i = 0; i < count; ++i) {
    low[i] += (1 - beyond) * row[i];
    high[i] += beyond * row[i];
    row[i] = 0;
  }
}

/// Of one group: its losses' sum, and its gradient.
template <class T>
CT_INLINE double cross_entropy_of(const typename Columns<T>::Group &group, const T *row, int64_t classes,
                                  const int32_t *labels, T *room, T *gradient) {
  Lanes<T> most = Lanes<T>{} - std::numeric_limits<T>::infinity();
  for (int64_t c = 0; c < classes; ++c) {
    Lanes<T> value;
    logits(group, row, classes, c, value);
    store(room + c * lanes<T>, value);
    most = value > most ? value : most;
  }
  Lanes<T> chosen = most;
  for (int64_t i = 0; i < lanes<T>; ++i)
    if (labels[i] >= 0) chosen[i] = room[labels[i] * lanes<T> + i];
  Lanes<T> sum{};
  for (int64_t c = 0; c < classes; ++c) {
    Lanes<T> value;
    load(value, room + c * lanes<T>);
    value -= most;
    exponential<T>(value);
    store(room + c * lanes<T>, value);
    sum += value;
  }
  double loss = 0;
  Lanes<T> inverse{};
  for (int64_t i = 0; i < lanes<T>; ++i) {
    if (labels[i] < 0) continue;
    loss += static_cast<double>(std::log(sum[i]) - (chosen[i] - most[i]));
    inverse[i] = 1 / sum[i];
    room[labels[i] * lanes<T> + i] -= sum[i];  // times `inverse` this is softmax − 1
  }
  if (!gradient) return loss;
  for (int64_t k = 0; k < group.count; ++k) {
    Lanes<T> weights;
    load(weights, group.weights + k * lanes<T>);
    weights *= inverse;
    T *to = gradient + (group.first + k) * classes * lanes<T>;
    for (int64_t c = 0; c < classes; ++c) {
      Lanes<T> value, total;
      load(value, room + c * lanes<T>);
      load(total, to + c * lanes<T>);
      store<T>(to + c * lanes<T>, total + value * weights);
    }
  }
  return loss;
}

template <class T>
CT_INLINE double cross_entropy(const Columns<T> &columns, const T *row, int64_t classes,
                               const int32_t *labels, T *room, T *gradient) {
  double loss = 0;
  for (int64_t i = 0; i < columns.groups(); ++i)
    loss += cross_entropy_of<T>(columns[i], row, classes, labels + i * lanes<T>, room, gradient);
  return loss;
}

template <class T>
CT_INLINE void argmax(const Columns<T> &columns, const T *row, int64_t classes, uint8_t *to) {
  for (int64_t i = 0; i < columns.groups(); ++i) {
    const typename Columns<T>::Group group = columns[i];
    Lanes<T> most;
    logits(group, row, classes, 0, most);
    Lanes<Whole<T>> best{};
    for (int64_t c = 1; c < classes; ++c) {
      Lanes<T> value;
      logits(group, row, classes, c, value);
      const Lanes<Whole<T>> is_larger = value > most;
      most = is_larger ? value : most;
      best = is_larger ? Lanes<Whole<T>>{} + static_cast<Whole<T>>(c) : best;
    }
    for (int64_t lane = 0; lane < lanes<T>; ++lane)
      to[i * lanes<T> + lane] = static_cast<uint8_t>(best[lane]);
  }
}

}  // namespace loops

CT_WIDE_FUSED void mix(const float *low, const float *high, float beyond, int64_t count, float *row) {
  loops::mix(low, high, beyond, count, row);
}
CT_WIDE_FUSED void mix(const double *low, const double *high, double beyond, int64_t count, double *row) {
  loops::mix(low, high, beyond, count, row);
}

CT_WIDE_FUSED double cross_entropy(const Columns<float> &columns, const float *row, int64_t classes,
                                   const int32_t *labels, float *room, float *gradient) {
  return loops::cross_entropy(columns, row, classes, labels, room, gradient);
}
CT_WIDE_FUSED double cross_entropy(const Columns<double> &columns, const double *row, int64_t classes,
                                   const int32_t *labels, double *room, double *gradient) {
  return loops::cross_entropy(columns, row, classes, labels, room, gradient);
}

CT_WIDE_FUSED void unmix(float *row, float beyond, int64_t count, float *low, float *high) {
  loops::unmix(row, beyond, count, low, high);
}
CT_WIDE_FUSED void unmix(double *row, double beyond, int64_t count, double *low, double *high) {
  loops::unmix(row, beyond, count, low, high);
}

CT_WIDE_FUSED void argmax(const Columns<float> &columns, const float *row, int64_t classes, uint8_t *to) {
  loops::argmax(columns, row, classes, to);
}
CT_WIDE_FUSED void argmax(const Columns<double> &columns, const double *row, int64_t classes, uint8_t *to) {
  loops::argmax(columns, row, classes, to);
}

}  // namespace ctorch::segmentation
