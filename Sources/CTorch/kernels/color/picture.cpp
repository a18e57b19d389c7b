#include "kernels/color/picture.h"

#include "kernels/color/blur.h"
#include "kernels/color/levels.h"
#include "kernels/color/loops.h"
#include "kernels/scratch.h"

#include <algorithm>
#include <cmath>

namespace ctorch::color {

namespace {

/// Pixels that go through the steps together: their planes fit the first cache.
constexpr int64_t together = 1024;

bool begins_a_pass(const ct_color_step &step) {
  return step.kind == CT_COLOR_CONTRAST || step.kind == CT_COLOR_BLUR;
}

/// A step that treats every pixel alone.
void apply(const ct_color_step &step, float *planes, int64_t count) {
  switch (step.kind) {
    case CT_COLOR_BRIGHTNESS: return blend_level(planes, 3 * count, 0, step.value);
    case CT_COLOR_SATURATION: return blend_luma(planes, count, step.value);
    case CT_COLOR_HUE: return turn_hue(planes, count, step.value);
    case CT_COLOR_GRAYSCALE: return become_gray(planes, count);
    case CT_COLOR_SOLARIZE: return solarize(planes, 3 * count);
    case CT_COLOR_CONTRAST:
    case CT_COLOR_BLUR: return;  // of a pass's beginning
  }
}

class Passes {
public:
  Passes(const Picture &picture, float *view)
      : picture(picture),
        view(view),
        pixels(picture.height * picture.width),
        planes(3 * std::max(together, picture.width)),
        kept(std::any_of(picture.steps, picture.steps + picture.count, begins_a_pass) ? (3 * pixels + 3) / 4
                                                                                      : 0) {}

  void run(const uint8_t *bytes) {
    begin(0);
    for_each_part(
        [&](int64_t start, int64_t count) { split_planes(bytes + 3 * start, planes.data(), count); });
    while (end < picture.count) {
      const ct_color_step &step = picture.steps[end];
      const auto mean =
          static_cast<float>(std::floor(static_cast<double>(luma_sum) / static_cast<double>(pixels) + 0.5));
      begin(end + 1);
      step.kind == CT_COLOR_BLUR ? blur(step) : adjust_contrast(step, mean);
    }
  }

private:
  /// A pass of the steps from `step` on, up to the next that begins another.
  void begin(int64_t step) {
    first = end = step;
    while (end < picture.count && !begins_a_pass(picture.steps[end])) ++end;
    luma_sum = 0;
  }

  /// `fill` puts the levels of a part's pixels into `planes`.
  template <class Fill>
  void for_each_part(Fill fill) {
    for (int64_t start = 0; start < pixels; start += together) {
      const int64_t count = std::min(together, pixels - start);
      fill(start, count);
      finish(start, count);
    }
  }

  void adjust_contrast(const ct_color_step &step, float mean) {
    for_each_part([&](int64_t start, int64_t count) {
      for (int64_t plane = 0; plane < 3; ++plane)
        read_levels(levels() + plane * pixels + start, planes.data() + plane * count, count);
      blend_level(planes.data(), 3 * count, mean, step.value);
    });
  }

  void blur(const ct_color_step &step) {
    const int64_t most = std::max<int64_t>(1, together / std::max<int64_t>(1, picture.width));
    BlurredRows rows(levels(), picture.height, picture.width, {step.reach, picture.weights + step.across},
                     {step.reach, picture.weights + step.down}, most);
    for (int64_t y = 0; y < picture.height; y += most) {
      const int64_t count = std::min(most, picture.height - y);
      rows.next(count, planes.data());
      finish(y * picture.width, count * picture.width);
    }
  }

  /// The pass's steps on a part of the picture that lies in `planes`, and what the next pass needs of it.
  void finish(int64_t start, int64_t count) {
    for (int64_t i = first; i < end; ++i) apply(picture.steps[i], planes.data(), count);
    if (end == picture.count)
      return join_planes(planes.data(), view + 3 * start, count, picture.scale, picture.shift);
    if (picture.steps[end].kind == CT_COLOR_CONTRAST) luma_sum += sum_of_luma(planes.data(), count);
    for (int64_t plane = 0; plane < 3; ++plane)
      keep_levels(planes.data() + plane * count, levels() + plane * pixels + start, count);
  }

  /// The whole picture between two passes.
  uint8_t *levels() const { return reinterpret_cast<uint8_t *>(kept.data()); }

  const Picture &picture;
  float *view;
  int64_t pixels;
  Scratch planes, kept;
  /// The steps of this pass that treat every pixel alone.
  int64_t first = 0, end = 0;
  /// Of this pass's result, if the next one needs it.
  int64_t luma_sum = 0;
};

}  // namespace

void make_view(const Picture &picture, const uint8_t *pixels, float *view) {
  Passes(picture, view).run(pixels);
}

}  // namespace ctorch::color
