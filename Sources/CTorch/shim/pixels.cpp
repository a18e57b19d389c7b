#include "kernels/color/color.h"
#include "kernels/resample/resample.h"
#include "shim/shim.h"

using namespace ctorch;

ct_status ct_views_from_pixels(ct_tensor **out, const ct_tensor *pixels, const ct_color_step *steps,
                               const int64_t *ends, size_t end_count, const float *weights,
                               size_t weight_count, const ct_tensor *scale, const ct_tensor *shift) {
  return produce(out, [&] {
    return color::views_from_pixels(unwrap(pixels), steps, ints(ends, end_count), {weights, weight_count},
                                    unwrap(scale), unwrap(shift));
  });
}

ct_status ct_planes_from_pixels(ct_tensor **out, const ct_tensor *pixels) {
  return produce(out, [&] { return color::planes_from_pixels(unwrap(pixels)); });
}

ct_status ct_pixels_from_planes_(ct_tensor *pixels, const ct_tensor *planes, const ct_tensor *scale,
                                 const ct_tensor *shift) {
  return guarded(
      [&] { color::pixels_from_planes_(pixels->value, unwrap(planes), unwrap(scale), unwrap(shift)); });
}

ct_status ct_blend_levels_(ct_tensor *x, const ct_tensor *degenerate, const ct_tensor *factors) {
  return guarded([&] {
    color::blend_levels_(x->value, degenerate ? unwrap(degenerate) : at::Tensor(), unwrap(factors));
  });
}

ct_status ct_luma(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return color::luma(unwrap(x)); });
}

ct_status ct_turn_hue_(ct_tensor *x, const ct_tensor *turns) {
  return guarded([&] { color::turn_hue_(x->value, unwrap(turns)); });
}

ct_status ct_resize_box(uint8_t *out, int64_t row_bytes, const ct_part *part, bool is_mirrored,
                        const ct_box *box) {
  return guarded([&] { resample::resize(*box, *part, is_mirrored, out, row_bytes); });
}
