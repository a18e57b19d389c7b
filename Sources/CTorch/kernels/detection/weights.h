// Where RoIAlign looks: for each bin of a box the pixels of one axis and their weights. The samples of a bin
// form a grid and bilinear weights are products, so that a bin's mean is a double sum of a weight by row, a
// weight by column and a pixel.
#pragma once

#include <cstdint>
#include <vector>

namespace ctorch {

/// How the values in a box are taken (He et al. 2017, section 3).
struct RoIAlignArguments {
  int64_t rows, columns;  // of bins
  double scale;           // from the boxes' pixels to the map's
  int64_t ratio;          // samples a side of a bin; 0: ⌈the bin's size⌉
  bool aligned;           // shifted by half a pixel; otherwise a box has at least 1 pixel a side
};

}  // namespace ctorch

namespace ctorch::detection {

/// Neighbouring pixels, or bins, of one axis, and what each weighs.
template <class T>
struct Part {
  int64_t first, count;
  const T *weights;
};

/// Rows of weights: a row a bin, of pixels, or the other way round.
template <class T>
struct Weights {
  struct Row {
    int64_t first = 0, count = 0, at = 0;  // the first column, how many, and where in `values`
  };
  std::vector<Row> rows;
  std::vector<T> values;

  int64_t count() const { return static_cast<int64_t>(rows.size()); }
  Part<T> operator[](int64_t row) const {
    return {rows[row].first, rows[row].count, values.data() + rows[row].at};
  }

  /// The columns' weights, from the first column on that has any.
  Weights transposed(int64_t &first) const;
};

/// A box's weights on both axes.
template <class T>
struct BoxWeights {
  int64_t image;
  Weights<T> y, x;
};

/// Of one box: image, x0, y0, x1, y1, on a map of height×width pixels. A bin without a sample on the map has
/// no weights.
template <class T>
BoxWeights<T> box_weights(const T *box, int64_t height, int64_t width, const RoIAlignArguments &how);

}  // namespace ctorch::detection
