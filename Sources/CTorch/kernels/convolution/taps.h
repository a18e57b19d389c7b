// The weight gradient of a dilated convolution as a matrix product for each place of its kernel.
#pragma once

#include "kernels/convolution/library.h"

namespace ctorch {

/// Pixels × channels of images.
inline at::Tensor pixel_rows(const at::Tensor &images) {
  return images.permute({0, 2, 3, 1}).reshape({-1, images.size(1)});
}

/// Only pixels that a place of the kernel reaches within the image take part, so that nothing is multiplied
/// by the padding, which is wide where the dilation is (docs/decisions/0028). Tensors are in channels-last
/// memory, and so is the result.
namespace taps {

/// Whether these are dilated, with stride 1, without groups, and with so many channels that products are
/// fast.
bool fits(const at::Tensor &weight, const ConvolutionArguments &how);

at::Tensor weight_gradient(const at::Tensor &dy, const at::Tensor &x, const at::Tensor &weight,
                           const ConvolutionArguments &how);

}  // namespace taps
}  // namespace ctorch
