// The loops over a row of pixels. `row` is the small map's row between two: its columns, each with all
// classes.
#pragma once

#include "kernels/segmentation/axis.h"

namespace ctorch::segmentation {

/// row = low + beyond · (high − low).
void mix(const float *low, const float *high, float beyond, int64_t count, float *row);
void mix(const double *low, const double *high, double beyond, int64_t count, double *row);

/// The sum of −log softmax[label] over a row's pixels; a negative label counts for nothing. There are
/// `columns.groups()` · lanes labels.
/// - room: classes · lanes numbers.
/// - gradient: columns × classes × lanes, to which the sum's gradient for `row` is added, still to be summed
///   over the lanes; may be null.
double cross_entropy(const Columns<float> &columns, const float *row, int64_t classes, const int32_t *labels,
                     float *room, float *gradient);
double cross_entropy(const Columns<double> &columns, const double *row, int64_t classes,
                     const int32_t *labels, double *room, double *gradient);

/// low += (1 − beyond) · row, high += beyond · row, row = 0.
void unmix(float *row, float beyond, int64_t count, float *low, float *high);
void unmix(double *row, double beyond, int64_t count, double *low, double *high);

/// The largest class of each of `columns.groups()` · lanes pixels.
void argmax(const Columns<float> &columns, const float *row, int64_t classes, uint8_t *to);
void argmax(const Columns<double> &columns, const double *row, int64_t classes, uint8_t *to);

}  // namespace ctorch::segmentation
