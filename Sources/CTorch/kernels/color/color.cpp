#include "kernels/color/color.h"

#include "kernels/color/loops.h"
#include "kernels/color/reference.h"
#include "kernels/parallel.h"

namespace ctorch::color {

namespace {

/// Whether all lie in the CPU's memory without gaps.
bool on_cpu(std::initializer_list<at::Tensor> tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const at::Tensor &x) {
    return x.is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous();
  });
}

void check_planes(const at::Tensor &x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3, "expected N×3×H×W, not ", x.sizes());
}

}  // namespace

at::Tensor planes_from_pixels(const at::Tensor &pixels) {
  TORCH_CHECK(pixels.dim() == 4 && pixels.size(3) == 3 && pixels.scalar_type() == at::kByte,
              "expected N×H×W×3 bytes, not ", pixels.sizes());
  if (!pixels.is_cpu() || !pixels.is_contiguous()) return reference::planes_from_pixels(pixels);
  const int64_t samples = pixels.size(0), count = pixels.size(1) * pixels.size(2);
  at::Tensor planes = at::empty({samples, 3, pixels.size(1), pixels.size(2)}, at::kFloat);
  const uint8_t *from = pixels.data_ptr<uint8_t>();
  float *to = planes.data_ptr<float>();
  for_each_in_parallel(samples,
                       [&](int64_t n) { split_planes(from + n * 3 * count, to + n * 3 * count, count); });
  return planes;
}

void pixels_from_planes_(at::Tensor pixels, const at::Tensor &planes, const at::Tensor &scale,
                         const at::Tensor &shift) {
  check_planes(planes);
  TORCH_CHECK(pixels.dim() == 4 && pixels.size(0) == planes.size(0) && pixels.size(1) == planes.size(2) &&
                  pixels.size(2) == planes.size(3) && pixels.size(3) == 3 && scale.numel() == 3 &&
                  shift.numel() == 3,
              "planes of ", planes.sizes(), " do not become pixels of ", pixels.sizes());
  if (!on_cpu({planes, pixels, scale, shift}))
    return reference::pixels_from_planes_(pixels, planes, scale, shift);
  const int64_t count = planes.size(2) * planes.size(3);
  const float *from = planes.data_ptr<float>(), *scales = scale.data_ptr<float>(),
              *shifts = shift.data_ptr<float>();
  float *to = pixels.data_ptr<float>();
  for_each_in_parallel(planes.size(0), [&](int64_t n) {
    join_planes(from + n * 3 * count, to + n * 3 * count, count, scales, shifts);
  });
}

void blend_levels_(at::Tensor x, const at::Tensor &degenerate, const at::Tensor &factors) {
  check_planes(x);
  const int64_t samples = x.size(0), count = x.size(2) * x.size(3);
  const at::Tensor d = degenerate.defined() ? degenerate : at::zeros({samples, 1, 1, 1}, x.options());
  const bool is_plane = d.numel() == samples * count;
  TORCH_CHECK(
      d.dim() == 4 && d.size(1) == 1 && (is_plane || d.numel() == samples) && factors.numel() == samples,
      "a picture of ", x.sizes(), " blended with ", d.sizes(), " by ", factors.sizes());
  if (!on_cpu({x, d, factors})) return reference::blend_levels_(x, d, factors);
  float *pixels = x.data_ptr<float>();
  const float *by = factors.data_ptr<float>(), *away = d.data_ptr<float>();
  for_each_in_parallel(samples, [&](int64_t n) {
    for (int64_t plane = 3 * n; plane < 3 * n + 3; ++plane) {
      if (is_plane) {
        blend_plane(pixels + plane * count, away + n * count, count, by[n]);
      } else {
        blend_level(pixels + plane * count, count, away[n], by[n]);
      }
    }
  });
}

at::Tensor luma(const at::Tensor &x) {
  check_planes(x);
  if (!on_cpu({x})) return reference::luma(x);
  const int64_t count = x.size(2) * x.size(3);
  at::Tensor gray = at::empty({x.size(0), 1, x.size(2), x.size(3)}, x.options());
  const float *planes = x.data_ptr<float>();
  float *to = gray.data_ptr<float>();
  for_each_in_parallel(x.size(0), [&](int64_t n) { gray_of(planes + n * 3 * count, to + n * count, count); });
  return gray;
}

void turn_hue_(at::Tensor x, const at::Tensor &turns) {
  check_planes(x);
  TORCH_CHECK(turns.numel() == x.size(0), turns.numel(), " turns for ", x.size(0), " samples");
  if (!on_cpu({x, turns})) return reference::turn_hue_(x, turns.view({x.size(0), 1, 1, 1}));
  const int64_t count = x.size(2) * x.size(3);
  float *planes = x.data_ptr<float>();
  const float *each = turns.data_ptr<float>();
  for_each_in_parallel(x.size(0), [&](int64_t n) { turn_hue(planes + n * 3 * count, count, each[n]); });
}

}  // namespace ctorch::color
