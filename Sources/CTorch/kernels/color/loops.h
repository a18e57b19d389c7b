// Colour augmentation's loops over the pixels of one picture, for float32 levels 0...255 in three planes, one
// after the other. Private to picture.cpp.
//
// Nothing is fused here, so that a level is the same on every device: where a device fuses a multiplication
// with an addition, the product is a whole number or fits 24 bits.
#pragma once

#include "kernels/simd.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#pragma STDC FP_CONTRACT OFF

namespace ctorch::color {
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

/// Whole levels as bytes.
CT_WIDE void keep_levels(const float *x, uint8_t *levels, int64_t count) {
  for (int64_t i = 0; i < count; ++i) levels[i] = static_cast<uint8_t>(static_cast<int32_t>(x[i]));
}

inline float level(float value) { return std::floor(std::min(std::max(value, 0.0f), 255.0f)); }

/// ITU-R 601-2 in 16 bits.
inline float luma(float r, float g, float b) {
  const float sum = r * (19595 / 65536.0f) + g * (38470 / 65536.0f) + b * (7471 / 65536.0f);
  return std::floor(sum + 0.5f);
}

/// Against one level for all.
CT_WIDE void blend_level(float *x, int64_t count, float degenerate, float factor) {
  for (int64_t i = 0; i < count; ++i) x[i] = level((x[i] - degenerate) * factor + degenerate);
}

/// Against each pixel's luma.
CT_WIDE void blend_luma(float *planes, int64_t count, float factor) {
  float *red = planes, *green = planes + count, *blue = planes + 2 * count;
  for (int64_t p = 0; p < count; ++p) {
    const float gray = luma(red[p], green[p], blue[p]);
    red[p] = level((red[p] - gray) * factor + gray);
    green[p] = level((green[p] - gray) * factor + gray);
    blue[p] = level((blue[p] - gray) * factor + gray);
  }
}

CT_WIDE void become_gray(float *planes, int64_t count) {
  float *red = planes, *green = planes + count, *blue = planes + 2 * count;
  for (int64_t p = 0; p < count; ++p) red[p] = green[p] = blue[p] = luma(red[p], green[p], blue[p]);
}

CT_WIDE int64_t sum_of_luma(const float *planes, int64_t count) {
  const float *red = planes, *green = planes + count, *blue = planes + 2 * count;
  int64_t sum = 0;
  for (int64_t p = 0; p < count; ++p) sum += static_cast<int32_t>(luma(red[p], green[p], blue[p]));
  return sum;
}

CT_WIDE void solarize(float *x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = std::min(x[i], 255 - x[i]);
}

// Pillow's 8-bit HSV without a branch: hue in 255ths of a turn, saturation and value 0...255.
//
// From red, the distance to a hue in either direction is (G + B − R + max − 2·min) / (max − min) sixths of a
// turn; it goes past green where G ≥ B and past blue elsewhere. For 0.3 % of the colours the exact hue is a
// whole number that Pillow's rounding of intermediate results makes one less.
//
// Back: a channel is full within a sixth of a turn of its own hue (red at 0 and 255, green at 85, blue at
// 170), empty beyond two sixths, and falls linearly between: level = value − value · saturation · emptiness,
// emptiness 0...42.5.
CT_WIDE void turn_hue(float *planes, int64_t count, float turn) {
  float *red = planes, *green = planes + count, *blue = planes + 2 * count;
  for (int64_t p = 0; p < count; ++p) {
    const float r = red[p], g = green[p], b = blue[p];
    const float value = std::max(std::max(r, g), b);
    const float range = value - std::min(std::min(r, g), b);
    const float distance = (g + b - r + 2 * range - value) * 42.5f;
    const float by_blue = std::min(std::max(b - g, 0.0f), 1.0f) * 255;
    const float old_hue = std::floor(std::fabs(by_blue - distance / std::max(range, 1.0f)));
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

}  // namespace
}  // namespace ctorch::color
