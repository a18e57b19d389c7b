// 3×3 convolution by Winograd's minimal filtering, for CPUs with AVX-512 or AVX2.
#pragma once

#include "kernels/convolution/geometry.h"

/// All arrays are float32 in channels-last memory, and results are overwritten.
namespace ctorch::winograd {

/// Whether it can compute this convolution, and there are enough pixels for transforming the weights to pay.
bool fits(const Geometry &g);
void forward(const Geometry &g, const float *x, const float *weight, float *y);
void input_gradient(const Geometry &g, const float *dy, const float *weight, float *dx);
void weight_gradient(const Geometry &g, const float *dy, const float *x, float *dweight);

}  // namespace ctorch::winograd
