#include "kernels/color/color.h"

#include "kernels/color/picture.h"
#include "kernels/parallel.h"

#include <ATen/ops/empty.h>

namespace ctorch::color {

namespace {

/// Whether `rows` rows of weights from `start` on are there.
bool has_weights(const ct_color_step &blur, int64_t start, int64_t rows, int64_t weights) {
  return start >= 0 && start <= weights && rows <= (weights - start) / (2 * blur.reach + 1);
}

void check_step(const ct_color_step &step, const at::Tensor &pixels, int64_t weights) {
  TORCH_CHECK(step.kind >= CT_COLOR_BRIGHTNESS && step.kind <= CT_COLOR_SOLARIZE, "no step has the number ",
              static_cast<int>(step.kind));
  if (step.kind != CT_COLOR_BLUR) return;
  TORCH_CHECK(step.reach >= 0 && step.reach < weights &&
                  has_weights(step, step.across, pixels.size(2), weights) &&
                  has_weights(step, step.down, pixels.size(1), weights),
              weights, " weights are no blur of ", pixels.sizes(), " that reaches ", step.reach);
}

}  // namespace

at::Tensor views_from_pixels(const at::Tensor &pixels, const ct_color_step *steps, at::IntArrayRef ends,
                             at::ArrayRef<float> weights, const at::Tensor &scale, const at::Tensor &shift) {
  TORCH_CHECK(
      pixels.dim() == 4 && pixels.size(3) == 3 && pixels.scalar_type() == at::kByte && pixels.is_cpu(),
      "expected N×H×W×3 bytes in the CPU's memory, not ", pixels.sizes());
  const int64_t samples = pixels.size(0), height = pixels.size(1), width = pixels.size(2);
  TORCH_CHECK(static_cast<int64_t>(ends.size()) == samples, "steps of ", ends.size(), " pictures for ",
              samples);
  for (int64_t n = 0; n < samples; ++n) {
    const int64_t first = n == 0 ? 0 : ends[n - 1];
    TORCH_CHECK(first <= ends[n], "steps end at ", ends[n], " before they begin at ", first);
    for (int64_t i = first; i < ends[n]; ++i)
      check_step(steps[i], pixels, static_cast<int64_t>(weights.size()));
  }
  for (const at::Tensor &x : {scale, shift})
    TORCH_CHECK(x.numel() == 3 && x.is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous(),
                "expected three numbers, not ", x.sizes());
  const at::Tensor bytes = pixels.contiguous();
  const at::Tensor views = at::empty({samples, height, width, 3}, at::kFloat);
  const uint8_t *from = bytes.data_ptr<uint8_t>();
  float *to = views.data_ptr<float>();
  for_each_in_parallel(samples, [&](int64_t n) {
    const int64_t first = n == 0 ? 0 : ends[n - 1], size = height * width * 3;
    const Picture picture{height,
                          width,
                          steps + first,
                          ends[n] - first,
                          weights.data(),
                          scale.data_ptr<float>(),
                          shift.data_ptr<float>()};
    make_view(picture, from + n * size, to + n * size);
  });
  return views;
}

}  // namespace ctorch::color
