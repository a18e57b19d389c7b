#include "kernels/convolution/taps.h"

#include "kernels/product/product.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace ctorch::taps {

namespace {

/// Inputs and outputs from which on products are faster than oneDNN.
constexpr int64_t least_channels = 64;

/// The results along one axis that a place of the kernel reaches from within the image, and how far from
/// there the pixels lie.
struct Reach {
  int64_t first, count, shift;

  Reach(int64_t results, int64_t pixels, int64_t shift)
      : first(std::max<int64_t>(0, -shift)),
        count(std::max<int64_t>(0, std::min(results, pixels - shift) - first)),
        shift(shift) {}
};

/// The pixels of a rectangle, as rows of channels.
at::Tensor rectangle(const at::Tensor &images, const Reach &y, const Reach &x, bool is_shifted) {
  const int64_t top = y.first + (is_shifted ? y.shift : 0), left = x.first + (is_shifted ? x.shift : 0);
  return pixel_rows(images.narrow(2, top, y.count).narrow(3, left, x.count));
}

}  // namespace

bool fits(const at::Tensor &weight, const ConvolutionArguments &how) {
  return (how.dilation[0] > 1 || how.dilation[1] > 1) && how.stride[0] == 1 && how.stride[1] == 1 &&
         how.groups == 1 && std::min(weight.size(0), weight.size(1)) >= least_channels;
}

at::Tensor weight_gradient(const at::Tensor &dy, const at::Tensor &x, const at::Tensor &weight,
                           const ConvolutionArguments &how) {
  const at::Tensor result =
      at::empty({weight.size(0), weight.size(2), weight.size(3), weight.size(1)}, weight.options());
  for (int64_t i = 0; i < weight.size(2); ++i)
    for (int64_t j = 0; j < weight.size(3); ++j) {
      const Reach down(dy.size(2), x.size(2), i * how.dilation[0] - how.padding[0]);
      const Reach across(dy.size(3), x.size(3), j * how.dilation[1] - how.padding[1]);
      const at::Tensor place = result.select(1, i).select(1, j);  // outputs × inputs
      if (down.count > 0 && across.count > 0)
        product_into(place, rectangle(dy, down, across, false).t(), rectangle(x, down, across, true));
      else
        place.zero_();
    }
  return result.permute({0, 3, 1, 2});
}

}  // namespace ctorch::taps
