// 3×3 convolution by Winograd's minimal filtering, for CPUs with AVX-512 or AVX2.
#pragma once

#include "kernels/convolution/geometry.h"

/// All arrays are in channels-last memory, and results are overwritten. Images are float32 or bfloat16; sums
/// are float32, and rounded once.
namespace ctorch::winograd {

/// Whether it can compute this convolution, and there are enough pixels for transforming the weights to pay.
bool fits(const Geometry &g);

/// Without a bias where `bias` is null.
template <class Pixel>
void forward(const Geometry &g, const Pixel *x, const float *weight, const float *bias, Pixel *y);
template <class Pixel>
void input_gradient(const Geometry &g, const Pixel *dy, const float *weight, Pixel *dx);
template <class Pixel>
void weight_gradient(const Geometry &g, const Pixel *dy, const Pixel *x, float *dweight);

}  // namespace ctorch::winograd
