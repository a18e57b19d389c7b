// Colour augmentation by ATen's operations, without checks. See color.h.
#pragma once

#include <ATen/ATen.h>

namespace ctorch::color::reference {

at::Tensor planes_from_pixels(const at::Tensor &pixels);
void pixels_from_planes_(at::Tensor pixels, const at::Tensor &planes, const at::Tensor &scale,
                         const at::Tensor &shift);
void blend_levels_(at::Tensor x, const at::Tensor &degenerate, const at::Tensor &factors);
at::Tensor luma(const at::Tensor &x);
/// `turns` is N×1×1×1.
void turn_hue_(at::Tensor x, const at::Tensor &turns);

}  // namespace ctorch::color::reference
