// Convolution as a matrix product over the gathered patches of a few images at a time.
#pragma once

#include "kernels/convolution/geometry.h"

/// All arrays are float32 in channels-last memory.
namespace ctorch::im2col {

/// Whether patches are the image's own pixels, so that nothing is gathered.
bool is_pointwise(const Geometry &g);
/// Whether the patches of one image are few enough to be gathered.
bool fits(const Geometry &g);

/// `y` is overwritten.
void forward(const Geometry &g, const float *x, const float *weight, float *y);
/// `dx` is overwritten.
void input_gradient(const Geometry &g, const float *dy, const float *weight, float *dx);
/// Adds the gradient to `sums`: threads × weights, one sum a thread.
void weight_gradient(const Geometry &g, const float *dy, const float *x, int64_t threads, float *sums);

}  // namespace ctorch::im2col
