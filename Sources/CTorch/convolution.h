// Inside the shim only.
#pragma once

#include "shim.h"

namespace ctorch {

/// A convolution without bias, groups or dilation: ATen's, or for float32 on a CPU what is faster than that.
at::Tensor convolution(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding);

/// The sizes of a convolution in channels-last memory: an image is height × width × inputs, a weight
/// outputs × kernel height × kernel width × inputs.
struct Geometry {
  int64_t n, height, width, inputs, outputs, kernel_height, kernel_width, stride, padding;

  Geometry(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding)
      : n(x.size(0)), height(x.size(2)), width(x.size(3)), inputs(x.size(1)), outputs(weight.size(0)),
        kernel_height(weight.size(2)), kernel_width(weight.size(3)), stride(stride), padding(padding) {}

  int64_t out_height() const { return (height + 2 * padding - kernel_height) / stride + 1; }
  int64_t out_width() const { return (width + 2 * padding - kernel_width) / stride + 1; }
  int64_t pixels() const { return out_height() * out_width(); }
  int64_t image() const { return height * width * inputs; }
  int64_t patch() const { return kernel_height * kernel_width * inputs; }
  int64_t weights() const { return outputs * patch(); }

  /// Room for a result, and for an input's gradient.
  at::Tensor result() const { return channels_last(outputs, out_height(), out_width()); }
  at::Tensor images() const { return channels_last(inputs, height, width); }

private:
  at::Tensor channels_last(int64_t channels, int64_t height, int64_t width) const {
    return at::empty({n, channels, height, width},
                     at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  }
};

// The passes of two ways that are not LibTorch's, of contiguous float32 tensors in channels-last memory. A gradient has
// the shape and the memory of what it belongs to.

/// One matrix product over the patches of a few images at a time.
namespace product {
/// Whether patches are images already, so that nothing is gathered.
bool is_pointwise(const Geometry &g);
/// Whether the patches of an image have room.
bool fits(const Geometry &g);
at::Tensor forward(const Geometry &g, const at::Tensor &x, const at::Tensor &weight);
at::Tensor input_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &weight);
at::Tensor weight_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &x);
} // namespace product

/// Winograd's minimal filtering, of CPUs with AVX-512 alone.
namespace winograd {
/// Whether this is a convolution that it can do, and of enough pixels for its weights to be worth writing out.
bool fits(const Geometry &g);
at::Tensor forward(const Geometry &g, const at::Tensor &x, const at::Tensor &weight);
at::Tensor input_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &weight);
at::Tensor weight_gradient(const Geometry &g, const at::Tensor &dy, const at::Tensor &x);
} // namespace winograd

} // namespace ctorch
