// Levels from bytes, for picture.cpp and blur.cpp.
#pragma once

#include "kernels/simd.h"

#include <cstdint>

namespace ctorch::color {
namespace {

CT_WIDE void read_levels(const uint8_t *levels, float *x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = levels[i];
}

}  // namespace
}  // namespace ctorch::color
