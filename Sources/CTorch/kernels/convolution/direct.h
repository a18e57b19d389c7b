// Convolution by its definition, for few channels (docs/decisions/0014).
#pragma once

#include "kernels/convolution/geometry.h"

/// All arrays are float32 in channels-last memory, and results are overwritten. For CPUs with AVX2.
namespace ctorch::direct {

/// Whether 16 divides the outputs and the images are enough work for the threads.
bool fits(const Geometry &g);
/// Whether 16 divides the inputs too, as the input's gradient needs.
bool has_input_gradient(const Geometry &g);

void forward(const Geometry &g, const float *x, const float *weight, float *y);
void input_gradient(const Geometry &g, const float *dy, const float *weight, float *dx);
void weight_gradient(const Geometry &g, const float *dy, const float *x, float *dweight);

}  // namespace ctorch::direct
