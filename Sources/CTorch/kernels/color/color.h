// Colour augmentation of pictures as levels 0...255. On the CPU a pixel is read and written once
// (docs/decisions/0007); other devices get a chain of tensor operations.
#pragma once

#include <ATen/ATen.h>

namespace ctorch::color {

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
