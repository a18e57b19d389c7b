// Convolution as a matrix product over the gathered patches of a few images at a time.
#pragma once

#include "kernels/convolution/geometry.h"

/// All arrays are float32 in channels-last memory, and results are overwritten.
namespace ctorch::im2col {

/// Whether the patches of one image are few enough to be gathered.
bool fits(const Geometry &g);

void forward(const Geometry &g, const float *x, const float *weight, float *y);
void input_gradient(const Geometry &g, const float *dy, const float *weight, float *dx);
void weight_gradient(const Geometry &g, const float *dy, const float *x, float *dweight);

}  // namespace ctorch::im2col
