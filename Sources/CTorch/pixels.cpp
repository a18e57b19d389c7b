// What colour augmentation does to every pixel in one go, for float32 levels 0...255 in planes (N×3×H×W).
//
// On the CPU these are loops that touch a pixel once, where a chain of tensor operations would read and write the
// whole picture several times; other devices get that chain. Both round alike: nothing is fused here, and where a
// device fuses a multiplication with an addition, the product is a whole number or fits 24 bits. A test compares them.
#include "parallel.h"

#include <algorithm>
#include <cmath>

#pragma STDC FP_CONTRACT OFF

using namespace ctorch;

// The vector width is chosen when the library is loaded.
#if defined(__x86_64__) && defined(__linux__)
#define CT_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CT_WIDE
#endif

namespace {

CT_WIDE void split_planes(const uint8_t *pixels, float *planes, int64_t count) {
  float *red = planes, *green = planes + count, *blue = planes + 2 * count;
  for (int64_t p = 0; p < count; ++p) {
    red[p] = pixels[3 * p];
    green[p] = pixels[3 * p + 1];
    blue[p] = pixels[3 * p + 2];
  }
}

CT_WIDE void join_planes(const float *planes, float *pixels, int64_t count, const float *scale,
                         const float *shift) {
  const float *red = planes, *green = planes + count, *blue = planes + 2 * count;
  for (int64_t p = 0; p < count; ++p) {
    pixels[3 * p] = red[p] * scale[0] + shift[0];
    pixels[3 * p + 1] = green[p] * scale[1] + shift[1];
    pixels[3 * p + 2] = blue[p] * scale[2] + shift[2];
  }
}

inline float level(float value) { return std::floor(std::min(std::max(value, 0.0f), 255.0f)); }

// Against one level for all.
CT_WIDE void blend_level(float *x, int64_t count, float degenerate, float factor) {
  for (int64_t i = 0; i < count; ++i) x[i] = level((x[i] - degenerate) * factor + degenerate);
}

// Against a plane of levels.
CT_WIDE void blend_plane(float *x, const float *degenerate, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) x[i] = level((x[i] - degenerate[i]) * factor + degenerate[i]);
}

CT_WIDE void gray_of(const float *planes, float *gray, int64_t count) {
  const float *red = planes, *green = planes + count, *blue = planes + 2 * count;
  for (int64_t p = 0; p < count; ++p) {
    const float sum = red[p] * (19595 / 65536.0f) + green[p] * (38470 / 65536.0f) + blue[p] * (7471 / 65536.0f);
    gray[p] = std::floor(sum + 0.5f);
  }
}

// Pillow's 8-bit HSV without a branch: hue in 255ths of a turn, saturation and value 0...255.
//
// From red, the way to a hue without regard to direction is (G + B − R + max − 2·min) / (max − min) sixths of a turn;
// it goes by green where G ≥ B and by blue elsewhere. For 0.3 % of the colours the exact hue is a whole number that
// Pillow's rounding of intermediate results makes one less.
//
// Back: a channel is full within a sixth of a turn of its own hue (red at 0 and 255, green at 85, blue at 170), empty
// beyond two sixths, and falls linearly between: level = value − value · saturation · emptiness, emptiness 0...42.5.
CT_WIDE void turn_hue(float *planes, int64_t count, float turn) {
  float *red = planes, *green = planes + count, *blue = planes + 2 * count;
  for (int64_t p = 0; p < count; ++p) {
    const float r = red[p], g = green[p], b = blue[p];
    const float value = std::max(std::max(r, g), b);
    const float range = value - std::min(std::min(r, g), b);
    const float way = (g + b - r + 2 * range - value) * 42.5f;
    const float by_blue = std::min(std::max(b - g, 0.0f), 1.0f) * 255;
    const float old_hue = std::floor(std::fabs(by_blue - way / std::max(range, 1.0f)));
    const float beyond = old_hue + turn;
    const float hue = beyond - 256 * std::min(std::max(beyond - 255, 0.0f), 1.0f);
    const float saturation = std::floor(range * 255 / std::max(value, 1.0f));
    const float depth = saturation * value * static_cast<float>(1 / (42.5 * 255));
    const float no_red = std::min(std::max(85 - std::fabs(hue - 127.5f), 0.0f), 42.5f);
    const float no_green = std::min(std::max(std::fabs(hue - 85) - 42.5f, 0.0f), 42.5f);
    const float no_blue = std::min(std::max(std::fabs(hue - 170) - 42.5f, 0.0f), 42.5f);
    red[p] = std::nearbyint(value - no_red * depth);
    green[p] = std::nearbyint(value - no_green * depth);
    blue[p] = std::nearbyint(value - no_blue * depth);
  }
}

// The same, operation by operation.
void turn_hue_by_tensors(at::Tensor x, const at::Tensor &turns) {
  const auto planes = x.split(1, 1);
  const at::Tensor r = planes[0], g = planes[1], b = planes[2];
  const at::Tensor value = at::maximum(at::maximum(r, g), b);
  const at::Tensor range = value - at::minimum(at::minimum(r, g), b);
  const at::Tensor way = (g + b - r + 2 * range - value) * 42.5;
  const at::Tensor by_blue = (b - g).clamp_(0, 1).mul_(255);
  const at::Tensor beyond = (by_blue - way / range.clamp_min(1)).abs_().floor_().add_(turns);
  const at::Tensor hue = beyond - 256 * (beyond - 255).clamp_(0, 1);
  const at::Tensor depth = (range * 255).div_(value.clamp_min(1)).floor_().mul_(value).mul_(1 / (42.5 * 255));
  const at::Tensor empty[] = {85 - (hue - 127.5).abs_(), (hue - 85).abs_() - 42.5, (hue - 170).abs_() - 42.5};
  for (int64_t channel = 0; channel < 3; ++channel) {
    planes[channel].copy_((value - empty[channel].clamp(0, 42.5) * depth).round_());
  }
}

// Whether all lie in the CPU's memory without gaps.
bool on_cpu(std::initializer_list<at::Tensor> tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const at::Tensor &x) {
    return x.is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous();
  });
}

void check_planes(const at::Tensor &x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3, "expected N×3×H×W, not ", x.sizes());
}

template <class Body>
void each_sample(int64_t samples, Body &&body) {
  in_parallel(samples, [&](int64_t start, int64_t end) {
    for (int64_t sample = start; sample < end; ++sample) body(sample);
  });
}

} // namespace

ct_status ct_planes_from_pixels(ct_tensor **out, const ct_tensor *pixels) {
  return produce(out, [&] {
    const at::Tensor &bytes = unwrap(pixels);
    TORCH_CHECK(bytes.dim() == 4 && bytes.size(3) == 3 && bytes.scalar_type() == at::kByte,
                "expected N×H×W×3 bytes, not ", bytes.sizes());
    if (!bytes.is_cpu() || !bytes.is_contiguous()) {
      return bytes.permute({0, 3, 1, 2}).to(at::kFloat, /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous);
    }
    const int64_t count = bytes.size(1) * bytes.size(2);
    at::Tensor planes = at::empty({bytes.size(0), 3, bytes.size(1), bytes.size(2)}, at::kFloat);
    const uint8_t *from = bytes.data_ptr<uint8_t>();
    float *to = planes.data_ptr<float>();
    each_sample(bytes.size(0), [&](int64_t n) { split_planes(from + n * 3 * count, to + n * 3 * count, count); });
    return planes;
  });
}

ct_status ct_pixels_from_planes_(ct_tensor *pixels, const ct_tensor *planes, const ct_tensor *scale,
                                 const ct_tensor *shift) {
  return guarded([&] {
    at::Tensor to = pixels->value;
    const at::Tensor &x = unwrap(planes), &s = unwrap(scale), &b = unwrap(shift);
    check_planes(x);
    TORCH_CHECK(to.dim() == 4 && to.size(0) == x.size(0) && to.size(1) == x.size(2) && to.size(2) == x.size(3) &&
                    to.size(3) == 3 && s.numel() == 3 && b.numel() == 3,
                "planes of ", x.sizes(), " do not become pixels of ", to.sizes());
    if (!on_cpu({x, to, s, b})) {
      to.copy_((x * s.view({1, 3, 1, 1}) + b.view({1, 3, 1, 1})).permute({0, 2, 3, 1}));
      return;
    }
    const int64_t count = x.size(2) * x.size(3);
    const float *from = x.data_ptr<float>();
    float *out = to.data_ptr<float>();
    const float *scales = s.data_ptr<float>(), *shifts = b.data_ptr<float>();
    each_sample(x.size(0), [&](int64_t n) {
      join_planes(from + n * 3 * count, out + n * 3 * count, count, scales, shifts);
    });
  });
}

ct_status ct_blend_levels_(ct_tensor *x, const ct_tensor *degenerate, const ct_tensor *factors) {
  return guarded([&] {
    at::Tensor to = x->value;
    check_planes(to);
    const at::Tensor d = degenerate ? unwrap(degenerate) : at::zeros({to.size(0), 1, 1, 1}, to.options());
    const at::Tensor &f = unwrap(factors);
    const int64_t samples = to.size(0), count = to.size(2) * to.size(3);
    const bool is_plane = d.numel() == samples * count;
    TORCH_CHECK(d.dim() == 4 && d.size(1) == 1 && (is_plane || d.numel() == samples) && f.numel() == samples,
                "a picture of ", to.sizes(), " blended with ", d.sizes(), " by ", f.sizes());
    if (!on_cpu({to, d, f})) {
      to.sub_(d).mul_(f.view({samples, 1, 1, 1})).add_(d).clamp_(0, 255).floor_();
      return;
    }
    float *pixels = to.data_ptr<float>();
    const float *by = f.data_ptr<float>(), *away = d.data_ptr<float>();
    each_sample(samples, [&](int64_t n) {
      for (int64_t plane = 3 * n; plane < 3 * n + 3; ++plane) {
        if (is_plane) {
          blend_plane(pixels + plane * count, away + n * count, count, by[n]);
        } else {
          blend_level(pixels + plane * count, count, away[n], by[n]);
        }
      }
    });
  });
}

ct_status ct_luma(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] {
    const at::Tensor &from = unwrap(x);
    check_planes(from);
    if (!on_cpu({from})) {
      const auto planes = from.split(1, 1);
      return planes[0].mul(19595 / 65536.0).add_(planes[1], 38470 / 65536.0).add_(planes[2], 7471 / 65536.0)
          .add_(0.5).floor_();
    }
    const int64_t count = from.size(2) * from.size(3);
    at::Tensor gray = at::empty({from.size(0), 1, from.size(2), from.size(3)}, from.options());
    const float *planes = from.data_ptr<float>();
    float *to = gray.data_ptr<float>();
    each_sample(from.size(0), [&](int64_t n) { gray_of(planes + n * 3 * count, to + n * count, count); });
    return gray;
  });
}

ct_status ct_turn_hue_(ct_tensor *x, const ct_tensor *turns) {
  return guarded([&] {
    at::Tensor to = x->value;
    check_planes(to);
    const at::Tensor &by = unwrap(turns);
    TORCH_CHECK(by.numel() == to.size(0), by.numel(), " turns for ", to.size(0), " samples");
    if (!on_cpu({to, by})) {
      turn_hue_by_tensors(to, by.view({to.size(0), 1, 1, 1}));
      return;
    }
    const int64_t count = to.size(2) * to.size(3);
    float *planes = to.data_ptr<float>();
    const float *each = by.data_ptr<float>();
    each_sample(to.size(0), [&](int64_t n) { turn_hue(planes + n * 3 * count, count, each[n]); });
  });
}
