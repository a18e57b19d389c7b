// The same as loops.h by chains of tensor operations, for devices other than the CPU. A test compares the
// two.
#include "kernels/color/reference.h"

at::Tensor ctorch::color::reference::planes_from_pixels(const at::Tensor &pixels) {
  return pixels.permute({0, 3, 1, 2})
      .to(at::kFloat, /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous);
}

void ctorch::color::reference::pixels_from_planes_(at::Tensor pixels, const at::Tensor &planes,
                                                   const at::Tensor &scale, const at::Tensor &shift) {
  pixels.copy_((planes * scale.view({1, 3, 1, 1}) + shift.view({1, 3, 1, 1})).permute({0, 2, 3, 1}));
}

void ctorch::color::reference::blend_levels_(at::Tensor x, const at::Tensor &degenerate,
                                             const at::Tensor &factors) {
  x.sub_(degenerate).mul_(factors.view({x.size(0), 1, 1, 1})).add_(degenerate).clamp_(0, 255).floor_();
}

at::Tensor ctorch::color::reference::luma(const at::Tensor &x) {
  const auto planes = x.split(1, 1);
  return planes[0]
      .mul(19595 / 65536.0)
      .add_(planes[1], 38470 / 65536.0)
      .add_(planes[2], 7471 / 65536.0)
      .add_(0.5)
      .floor_();
}

void ctorch::color::reference::turn_hue_(at::Tensor x, const at::Tensor &turns) {
  const auto planes = x.split(1, 1);
  const at::Tensor r = planes[0], g = planes[1], b = planes[2];
  const at::Tensor value = at::maximum(at::maximum(r, g), b);
  const at::Tensor range = value - at::minimum(at::minimum(r, g), b);
  const at::Tensor distance = (g + b - r + 2 * range - value) * 42.5;
  const at::Tensor by_blue = (b - g).clamp_(0, 1).mul_(255);
  const at::Tensor beyond = (by_blue - distance / range.clamp_min(1)).abs_().floor_().add_(turns);
  const at::Tensor hue = beyond - 256 * (beyond - 255).clamp_(0, 1);
  const at::Tensor depth = (range * 255).div_(value.clamp_min(1)).floor_().mul_(value).mul_(1 / (42.5 * 255));
  const at::Tensor empty[] = {85 - (hue - 127.5).abs_(), (hue - 85).abs_() - 42.5, (hue - 170).abs_() - 42.5};
  for (int64_t channel = 0; channel < 3; ++channel) {
    planes[channel].copy_((value - empty[channel].clamp(0, 42.5) * depth).round_());
  }
}
