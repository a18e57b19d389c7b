// Colour augmentation of pictures as levels 0...255. On the CPU a picture goes through all of its steps in
// one go (docs/decisions/0007, 0026); other devices get a chain of tensor operations for a whole batch. Both
// come to the same levels.
#pragma once

#include <ATen/core/Tensor.h>

#include "ctorch_pixels.h"

namespace ctorch::color {

/// N×H×W×3 bytes in the CPU's memory → N×H×W×3 float32: each picture's steps, then level · scale + shift,
/// three numbers each.
///
/// - steps: of all pictures, one after the other; those of picture n end at ends[n].
/// - weights: of all blurs.
at::Tensor views_from_pixels(const at::Tensor &pixels, const ct_color_step *steps, at::IntArrayRef ends,
                             at::ArrayRef<float> weights, const at::Tensor &scale, const at::Tensor &shift);

// The links of the chain, for any device.

/// N×H×W×3 bytes → N×3×H×W float32.
at::Tensor planes_from_pixels(const at::Tensor &pixels);
/// pixels (N×H×W×3 float32) = planes (N×3×H×W) · scale + shift, three numbers each.
void pixels_from_planes_(at::Tensor pixels, const at::Tensor &planes, const at::Tensor &scale,
                         const at::Tensor &shift);
/// x = ⌊clip(degenerate + (x − degenerate) · factor)⌋ for N×3×H×W. `degenerate` is N×1×1×1, N×1×H×W or
/// undefined (black), `factors` one a sample.
void blend_levels_(at::Tensor x, const at::Tensor &degenerate, const at::Tensor &factors);
/// ⌊luma + 1/2⌋ (ITU-R 601-2 in 16 bits): N×3×H×W → N×1×H×W.
at::Tensor luma(const at::Tensor &x);
/// Turns the hue of Pillow's 8-bit HSV by whole numbers 0...255, one a sample; it wraps at 256. x is N×3×H×W.
void turn_hue_(at::Tensor x, const at::Tensor &turns);

}  // namespace ctorch::color
