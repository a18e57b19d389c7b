// Where RoIAlign looks: for each bin of a box the pixels of one axis and their weights. The samples of a bin
// form a grid and bilinear weights are products, so that a bin's mean is a double sum of a weight by row, a
// weight by column and a pixel.
#pragma once

#include "kernels/detection/detection.h"

#include <cstdint>
#include <vector>

namespace ctorch::detection {

/// Rows of weights, each for a range of columns. By bins: a row a bin, columns are pixels.
template <class T>
struct Weights {
  struct Row {
    int64_t first = 0, count = 0, at = 0;  // the first column, how many, and where in `values`
  };
  std::vector<Row> rows;
  std::vector<T> values;

  int64_t count() const { return static_cast<int64_t>(rows.size()); }

  /// The rows become columns: by pixels, from the pixel `first` on.
  Weights transposed(int64_t &first) const;
};

/// A box's weights on both axes.
template <class T>
struct BoxWeights {
  int64_t image;
  Weights<T> y, x;
};

/// Of one box: image, x0, y0, x1, y1, on a map of height×width pixels. A bin that no sample of falls on the
/// map has no weights.
template <class T>
BoxWeights<T> box_weights(const T *box, int64_t height, int64_t width, const RoIAlignArguments &how);

}  // namespace ctorch::detection
