// 3×3 convolution by Winograd's minimal filtering, for CPUs with AVX-512 or AVX2.
#pragma once

#include "kernels/convolution/geometry.h"

/// All arrays are float32 in channels-last memory, and results are overwritten.
namespace ctorch::winograd {

/// Whether it can compute this convolution, and there are enough pixels for transforming the weights to pay.
bool fits(const Geometry &g);

/// Of 2 × 2 or 4 × 4 results. The larger take fewer products, and round three times as much.
enum class Tile { two, four };

/// The faster tile for factors that were rounded to bfloat16, which hides what either tile rounds.
Tile tile_for_rounded(const Geometry &g);

void forward(Tile tile, const Geometry &g, const float *x, const float *weight, float *y);
void input_gradient(Tile tile, const Geometry &g, const float *dy, const float *weight, float *dx);
void weight_gradient(Tile tile, const Geometry &g, const float *dy, const float *x, float *dweight);

}  // namespace ctorch::winograd
