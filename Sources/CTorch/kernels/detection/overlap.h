// Intersections over unions, many at a time: every operation is rounded as LibTorch's and torchvision's are,
// because thresholds and ties decide by equality.
#pragma once

#include <cstdint>

namespace ctorch::detection {

/// Boxes as arrays of their corners and areas.
template <class T>
struct Corners {
  T *x0, *y0, *x1, *y1, *area;

  Corners operator+(int64_t by) const { return {x0 + by, y0 + by, x1 + by, y1 + by, area + by}; }
};

void areas(Corners<float> boxes, int64_t count);
void areas(Corners<double> boxes, int64_t count);

/// out[i] = the IoU of the box `one` points at and boxes[i]; 0 where they do not meet.
void overlaps(Corners<float> one, Corners<float> boxes, int64_t count, float *out);
void overlaps(Corners<double> one, Corners<double> boxes, int64_t count, double *out);

/// dropped[i] becomes 1 where the IoU of `one` and boxes[i] is above the threshold.
void drop_covered(Corners<float> one, Corners<float> boxes, int64_t count, float threshold, int32_t *dropped);
void drop_covered(Corners<double> one, Corners<double> boxes, int64_t count, double threshold,
                  int64_t *dropped);

}  // namespace ctorch::detection
