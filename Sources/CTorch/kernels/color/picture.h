// The colours of one picture on the CPU, from the bytes of a crop to the input of a network. Plain memory
// only.
#pragma once

#include "ctorch_pixels.h"

namespace ctorch::color {

/// The steps for one picture.
struct Picture {
  int64_t height, width;
  /// In order.
  const ct_color_step *steps;
  int64_t count;
  /// All that the steps' blurs refer to.
  const float *weights;
  /// The result is level · scale + shift, three numbers each.
  const float *scale, *shift;
};

/// view = the picture's steps on `pixels`, both height × width × 3.
///
/// A few pixels at a time go through all steps (docs/decisions/0026). Contrast and blur, which look at other
/// pixels too, begin a new pass; between passes levels are bytes.
void make_view(const Picture &picture, const uint8_t *pixels, float *view);

}  // namespace ctorch::color
