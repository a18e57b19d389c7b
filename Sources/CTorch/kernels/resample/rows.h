// The two passes of a resize over rows of RGB bytes. Every sum is of whole numbers, so all of these make the
// same bytes.
#pragma once

#include "kernels/resample/axis.h"

#include <cstdint>

namespace ctorch::resample {

/// Bytes that may be read behind a row, and written behind a result.
constexpr int64_t slack = 64;

/// Rows that are summed along at a time.
constexpr int64_t abreast = 4;

/// Passes for a CPU.
struct Rows {
  /// The columns of `axis` of each row: to[r][x] = Σ weights[k] · from[r][start + k].
  void (*across)(const Axis &axis, const uint8_t *const from[abreast], uint8_t *const to[abreast]);
  /// to = Σ weights[k] · rows[k], over `bytes` bytes; `taps` is a multiple of 2.
  void (*down)(const uint8_t *const *rows, const int16_t *weights, int64_t taps, int bits, uint8_t *to,
               int64_t bytes);
};

/// Those of this CPU.
const Rows &rows_of_this_cpu();
/// For any CPU.
extern const Rows plain_rows;

}  // namespace ctorch::resample
