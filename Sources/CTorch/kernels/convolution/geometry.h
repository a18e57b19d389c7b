// The sizes of a convolution.
#pragma once

#include <cstdint>

namespace ctorch {

/// A convolution without bias or groups in channels-last memory: an image is height × width × inputs, a
/// weight outputs × kernel height × kernel width × inputs.
struct Geometry {
  int64_t n, height, width, inputs, outputs, kernel_height, kernel_width, stride, padding, dilation;

  int64_t out_height() const {
    return (height + 2 * padding - dilation * (kernel_height - 1) - 1) / stride + 1;
  }
  int64_t out_width() const { return (width + 2 * padding - dilation * (kernel_width - 1) - 1) / stride + 1; }
  int64_t pixels() const { return out_height() * out_width(); }
  int64_t image() const { return height * width * inputs; }
  int64_t result() const { return pixels() * outputs; }
  int64_t patch() const { return kernel_height * kernel_width * inputs; }
  int64_t weights() const { return outputs * patch(); }
};

/// Whether patches are the image's own pixels, so that nothing is gathered.
inline bool is_pointwise(const Geometry &g) {
  return g.kernel_height == 1 && g.kernel_width == 1 && g.stride == 1 && g.padding == 0;
}

}  // namespace ctorch
