// The steps of picture.cpp by chains of tensor operations, for devices other than the CPU. A test compares
// the two.
#include "kernels/color/color.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/zeros.h>

namespace ctorch::color {

static void check_planes(const at::Tensor &x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3, "expected N×3×H×W, not ", x.sizes());
}

at::Tensor planes_from_pixels(const at::Tensor &pixels) {
  TORCH_CHECK(pixels.dim() == 4 && pixels.size(3) == 3 && pixels.scalar_type() == at::kByte,
              "expected N×H×W×3 bytes, not ", pixels.sizes());
  return pixels.permute({0, 3, 1, 2})
      .to(at::kFloat, /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous);
}

void pixels_from_planes_(at::Tensor pixels, const at::Tensor &planes, const at::Tensor &scale,
                         const at::Tensor &shift) {
  check_planes(planes);
  TORCH_CHECK(pixels.dim() == 4 && pixels.size(0) == planes.size(0) && pixels.size(1) == planes.size(2) &&
                  pixels.size(2) == planes.size(3) && pixels.size(3) == 3 && scale.numel() == 3 &&
                  shift.numel() == 3,
              "planes of ", planes.sizes(), " do not become pixels of ", pixels.sizes());
  pixels.copy_((planes * scale.view({1, 3, 1, 1}) + shift.view({1, 3, 1, 1})).permute({0, 2, 3, 1}));
}

void blend_levels_(at::Tensor x, const at::Tensor &degenerate, const at::Tensor &factors) {
  check_planes(x);
  const int64_t samples = x.size(0);
  const at::Tensor d = degenerate.defined() ? degenerate : at::zeros({samples, 1, 1, 1}, x.options());
  const bool is_plane = d.numel() == samples * x.size(2) * x.size(3);
  TORCH_CHECK(
      d.dim() == 4 && d.size(1) == 1 && (is_plane || d.numel() == samples) && factors.numel() == samples,
      "a picture of ", x.sizes(), " blended with ", d.sizes(), " by ", factors.sizes());
  x.sub_(d).mul_(factors.view({samples, 1, 1, 1})).add_(d).clamp_(0, 255).floor_();
}

at::Tensor luma(const at::Tensor &x) {
  check_planes(x);
  const auto planes = x.split(1, 1);
  return planes[0]
      .mul(19595 / 65536.0)
      .add_(planes[1], 38470 / 65536.0)
      .add_(planes[2], 7471 / 65536.0)
      .add_(0.5)
      .floor_();
}

void turn_hue_(at::Tensor x, const at::Tensor &turns) {
  check_planes(x);
  TORCH_CHECK(turns.numel() == x.size(0), turns.numel(), " turns for ", x.size(0), " samples");
  const auto planes = x.split(1, 1);
  const at::Tensor r = planes[0], g = planes[1], b = planes[2];
  const at::Tensor value = at::maximum(at::maximum(r, g), b);
  const at::Tensor range = value - at::minimum(at::minimum(r, g), b);
  const at::Tensor distance = (g + b - r + 2 * range - value) * 42.5;
  const at::Tensor by_blue = (b - g).clamp_(0, 1).mul_(255);
  const at::Tensor beyond =
      (by_blue - distance / range.clamp_min(1)).abs_().floor_().add_(turns.view({x.size(0), 1, 1, 1}));
  const at::Tensor hue = beyond - 256 * (beyond - 255).clamp_(0, 1);
  const at::Tensor depth = (range * 255).div_(value.clamp_min(1)).floor_().mul_(value).mul_(1 / (42.5 * 255));
  const at::Tensor empty[] = {85 - (hue - 127.5).abs_(), (hue - 85).abs_() - 42.5, (hue - 170).abs_() - 42.5};
  for (int64_t channel = 0; channel < 3; ++channel) {
    planes[channel].copy_((value - empty[channel].clamp(0, 42.5) * depth).round_());
  }
}

}  // namespace ctorch::color
