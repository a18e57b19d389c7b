// A blur by a banded matrix along the rows and another down the columns, a row at a time. Plain memory only.
#pragma once

#include "kernels/scratch.h"

#include <cstdint>
#include <vector>

namespace ctorch::color {

/// A banded matrix: 2·reach + 1 weights a row, those of the places −reach...reach from the diagonal. A weight
/// of a place outside is not read.
struct Band {
  int64_t reach;
  const float *weights;

  int64_t row() const { return 2 * reach + 1; }
};

/// The rows of a blurred picture, from the first to the last, a few at a time. A row's sums run along it
/// first, then down.
///
/// Both are taken from left to right and from top to bottom in float32, fused where the CPU can, with one
/// rounding to whole levels at the end: so a dense product adds, whose zeros change nothing.
class BlurredRows {
public:
  /// `levels` are three planes of height × width. Those of a row may be overwritten as soon as it was given.
  BlurredRows(const uint8_t *levels, int64_t height, int64_t width, Band across, Band down, int64_t together);

  /// The next `count` rows, at most as many as go together: 3 × count × width.
  void next(int64_t count, float *planes);

private:
  /// A few columns whose rows of the matrix are cut off, and all weights of the pixels from `first` on.
  struct Edge {
    int64_t column, first, taps;
    std::vector<float> weights;
  };

  void add_edge(int64_t column);
  /// A row of a plane after the sums along it.
  float *blurred_across(int64_t plane, int64_t y) const {
    return window.data() + (plane * slots + y % slots) * width;
  }
  void blur_across(int64_t plane, int64_t y);
  /// One or two rows of a plane.
  void blur_down(int64_t plane, int64_t y, int64_t rows, float *levels);

  const uint8_t *levels;
  int64_t height, width;
  Band across, down;
  /// The rows that a plane's window has room for: as many as the columns' sums of those that go together
  /// reach.
  int64_t slots;
  int64_t rows_read = 0, rows_given = 0;
  Scratch window, row;
  std::vector<const float *> terms;
  std::vector<float> pairs;
  std::vector<Edge> edges;
};

}  // namespace ctorch::color
