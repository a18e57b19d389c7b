// Pictures as levels 0...255: what colour augmentation does to every pixel in one go.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif
