#include "kernels/detection/overlap.h"

#include "kernels/simd.h"

#ifdef __clang__
#pragma clang fp contract(off)  // a fused product would be rounded otherwise
#endif

namespace ctorch::detection {
namespace loops {

template <class T>
CT_INLINE T larger(T a, T b) {
  return a < b ? b : a;
}
template <class T>
CT_INLINE T smaller(T a, T b) {
  return b < a ? b : a;
}

template <class T>
CT_INLINE void areas(Corners<T> boxes, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    boxes.area[i] = (boxes.x1[i] - boxes.x0[i]) * (boxes.y1[i] - boxes.y0[i]);
}

/// Calls body(i, intersection, union).
template <class T, class Body>
CT_INLINE void each(Corners<T> one, Corners<T> boxes, int64_t count, Body body) {
  const T x0 = *one.x0, y0 = *one.y0, x1 = *one.x1, y1 = *one.y1, area = *one.area;
  for (int64_t i = 0; i < count; ++i) {
    const T width = larger(T(0), smaller(x1, boxes.x1[i]) - larger(x0, boxes.x0[i]));
    const T height = larger(T(0), smaller(y1, boxes.y1[i]) - larger(y0, boxes.y0[i]));
    const T common = width * height;
    body(i, common, area + boxes.area[i] - common);
  }
}

template <class T>
CT_INLINE void overlaps(Corners<T> one, Corners<T> boxes, int64_t count, T *__restrict out) {
  each(
      one, boxes, count, [=](int64_t i, T common, T together) __attribute__((always_inline)) {
        const T share = common / together;
        out[i] = common > 0 ? share : T(0);
      });
}

template <class T, class Flag>
CT_INLINE void drop_covered(Corners<T> one, Corners<T> boxes, int64_t count, T threshold,
                            Flag *__restrict dropped) {
  each(
      one, boxes, count, [=](int64_t i, T common, T together) __attribute__((always_inline)) {
        dropped[i] |= common / together > threshold ? 1 : 0;
      });
}

}  // namespace loops

CT_WIDE void areas(Corners<float> boxes, int64_t count) { loops::areas(boxes, count); }
CT_WIDE void areas(Corners<double> boxes, int64_t count) { loops::areas(boxes, count); }

CT_WIDE void overlaps(Corners<float> one, Corners<float> boxes, int64_t count, float *out) {
  loops::overlaps(one, boxes, count, out);
}
CT_WIDE void overlaps(Corners<double> one, Corners<double> boxes, int64_t count, double *out) {
  loops::overlaps(one, boxes, count, out);
}

CT_WIDE void drop_covered(Corners<float> one, Corners<float> boxes, int64_t count, float threshold,
                          int32_t *dropped) {
  loops::drop_covered(one, boxes, count, threshold, dropped);
}
CT_WIDE void drop_covered(Corners<double> one, Corners<double> boxes, int64_t count, double threshold,
                          int64_t *dropped) {
  loops::drop_covered(one, boxes, count, threshold, dropped);
}

}  // namespace ctorch::detection
