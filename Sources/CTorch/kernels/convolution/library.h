// LibTorch's convolution, block by block.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

namespace ctorch {

/// The arguments of a convolution beside its tensors; first along the height.
struct ConvolutionArguments {
  std::array<int64_t, 2> stride, padding, dilation;
  int64_t groups;
};

/// Blocks are of images, and where those are few, of channels. The shape alone decides, and a block is
/// computed by one thread: the bits do not depend on the number of threads. Tensors are in channels-last
/// memory, and so are the results.
namespace library {

/// `bias` may be undefined.
at::Tensor forward(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                   const ConvolutionArguments &how);
at::Tensor input_gradient(const at::Tensor &dy, const at::Tensor &x, const at::Tensor &weight,
                          const ConvolutionArguments &how);
at::Tensor weight_gradient(const at::Tensor &dy, const at::Tensor &x, const at::Tensor &weight,
                           const ConvolutionArguments &how);

}  // namespace library
}  // namespace ctorch
