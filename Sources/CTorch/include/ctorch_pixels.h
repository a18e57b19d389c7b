// Pictures as levels 0...255: colour augmentation, on the CPU for a picture in one go, elsewhere for planes
// of a batch step by step.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ct_color_kind {
  CT_COLOR_BRIGHTNESS = 0,
  CT_COLOR_CONTRAST = 1,
  CT_COLOR_SATURATION = 2,
  CT_COLOR_HUE = 3,
  CT_COLOR_GRAYSCALE = 4,
  CT_COLOR_BLUR = 5,
  CT_COLOR_SOLARIZE = 6
} ct_color_kind;

/// An operation on the levels of one picture.
typedef struct ct_color_step {
  ct_color_kind kind;
  /// The factor of brightness, contrast or saturation; the whole number 0...255 by which a hue turns.
  float value;
  /// A blur's two banded matrices: 2·reach + 1 weights a row, from `reach` places before the diagonal to
  /// `reach` after it. W rows begin at `across`, H rows at `down` of all weights.
  int64_t reach, across, down;
} ct_color_step;

/// N×H×W×3 bytes in the CPU's memory → N×H×W×3 float32: the steps of each picture in order, then
/// level · scale + shift, three numbers each. `ends` are N places in `steps`, where those of each picture
/// end.
ct_status ct_views_from_pixels(ct_tensor **out, const ct_tensor *pixels, const ct_color_step *steps,
                               const int64_t *ends, size_t end_count, const float *weights,
                               size_t weight_count, const ct_tensor *scale, const ct_tensor *shift);

/// N×H×W×3 bytes → N×3×H×W float32.
ct_status ct_planes_from_pixels(ct_tensor **out, const ct_tensor *pixels);
/// pixels (N×H×W×3 float32) = planes (N×3×H×W) · scale + shift, three numbers each.
ct_status ct_pixels_from_planes_(ct_tensor *pixels, const ct_tensor *planes, const ct_tensor *scale,
                                 const ct_tensor *shift);
/// x = ⌊clip(degenerate + (x − degenerate) · factor)⌋ for N×3×H×W. `degenerate` is N×1×1×1, N×1×H×W or NULL
/// (black), `factors` one a sample.
ct_status ct_blend_levels_(ct_tensor *x, const ct_tensor *degenerate, const ct_tensor *factors);
/// ⌊luma + 1/2⌋ (ITU-R 601-2 in 16 bits): N×3×H×W → N×1×H×W.
ct_status ct_luma(ct_tensor **out, const ct_tensor *x);
/// Turns the hue of Pillow's 8-bit HSV by whole numbers 0...255, one a sample; it wraps at 256. x is N×3×H×W.
ct_status ct_turn_hue_(ct_tensor *x, const ct_tensor *turns);

/// A box of a picture of bytes, height × width × 3, with `row_bytes` from a row to the next.
typedef struct ct_box {
  const uint8_t *pixels;
  int64_t height, width, row_bytes;
} ct_box;

/// `rows` × `columns` pixels of a picture of height × width.
typedef struct ct_part {
  int64_t height, width, top, left, rows, columns;
} ct_part;

/// A part of the box after it is resized to the part's height × width by Pillow's antialiased bilinear
/// filter, left and right of the part exchanged if it is mirrored. `out` has rows × columns × 3 bytes, with
/// `row_bytes` from a row to the next; bytes between rows are left as they are.
ct_status ct_resize_box(uint8_t *out, int64_t row_bytes, const ct_part *part, bool is_mirrored,
                        const ct_box *box);

#ifdef __cplusplus
}
#endif
