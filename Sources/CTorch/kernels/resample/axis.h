// The weights of an antialiased bilinear resize along one axis.
#pragma once

#include <cstdint>
#include <vector>

namespace ctorch::resample {

/// Results that are wanted.
struct Window {
  int64_t first, count;
};

/// The pixels and weights of each result.
///
/// A result's weights are a triangle twice as wide as the scale, at least 2 pixels, cut off at the ends, as
/// whole numbers of as many bits as fit 15 for the largest of all results, wanted or not: those of Pillow and
/// of LibTorch's uint8.
class Axis {
public:
  /// Of `to` results from `from` pixels those of a window, the last one first if they are mirrored.
  Axis(int64_t from, int64_t to, Window window, bool is_mirrored);

  int64_t count() const { return static_cast<int64_t>(starts.size()); }
  /// The first pixel of a result.
  int64_t start(int64_t i) const { return starts[i]; }
  /// The pixels of a result.
  int64_t taps(int64_t i) const { return sizes[i]; }
  /// Weights of one result, zeros after the last: a multiple of 4.
  int64_t stride() const { return row; }
  const int16_t *weights(int64_t i) const { return all.data() + i * row; }
  /// Weights are in units of 2^−bits.
  int bits() const { return precision; }

private:
  std::vector<int64_t> starts, sizes;
  int64_t row;
  int precision = 0;
  std::vector<int16_t> all;
};

}  // namespace ctorch::resample
