// A transposed convolution is a matrix product, after which each pixel's window is added to the result.
#include "kernels/convolution/transposed.h"

#include "kernels/product/product.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/col2im.h>
#include <ATen/ops/conv_transpose2d.h>

using namespace ctorch;

namespace {

/// Windows beside each other do not meet: their pixels have only to be put in place. Channels-last.
at::Tensor side_by_side(const at::Tensor &x, const at::Tensor &weight) {
  const int64_t n = x.size(0), inputs = x.size(1), height = x.size(2), width = x.size(3),
                outputs = weight.size(1), rows = weight.size(2), columns = weight.size(3);
  const at::Tensor pixels = x.permute({0, 2, 3, 1}).reshape({-1, inputs});  // NHW×C
  const at::Tensor by_place =
      weight.permute({0, 2, 3, 1}).reshape({inputs, rows * columns * outputs});  // C×(rows·columns·D)
  return ctorch::matmul(pixels, by_place)
      .view({n, height, width, rows, columns, outputs})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({n, height * rows, width * columns, outputs})
      .permute({0, 3, 1, 2});
}

at::Tensor overlapping(const at::Tensor &x, const at::Tensor &weight, at::IntArrayRef stride,
                       at::IntArrayRef padding) {
  const int64_t n = x.size(0), inputs = x.size(1), pixels = x.size(2) * x.size(3);
  const int64_t kernel[2] = {weight.size(2), weight.size(3)};
  const int64_t size[2] = {(x.size(2) - 1) * stride[0] - 2 * padding[0] + kernel[0],
                           (x.size(3) - 1) * stride[1] - 2 * padding[1] + kernel[1]};
  const at::Tensor windows =
      ctorch::matmul(x.permute({0, 2, 3, 1}).reshape({-1, inputs}), weight.reshape({inputs, -1}));
  const at::Tensor columns = windows.view({n, pixels, -1}).transpose(1, 2);  // N×(D·kernel)×HW
  return at::col2im(columns.contiguous(), size, kernel, /*dilation=*/{1, 1}, padding, stride);
}

}  // namespace

at::Tensor ctorch::transposed_convolution(const at::Tensor &x, const at::Tensor &weight,
                                          const at::Tensor &bias, std::array<int64_t, 2> stride,
                                          std::array<int64_t, 2> padding) {
  TORCH_CHECK(x.dim() == 4 && weight.dim() == 4 && x.size(1) == weight.size(0),
              "a transposed convolution of ", x.sizes(), " cannot take a weight of ", weight.sizes());
  if (!x.is_cpu() || x.numel() == 0 || at::isReducedFloatingType(x.scalar_type()))
    return at::conv_transpose2d(x, weight, bias.defined() ? std::optional(bias) : std::nullopt, stride,
                                padding);
  const bool meet = stride[0] != weight.size(2) || stride[1] != weight.size(3) || padding[0] || padding[1];
  const at::Tensor y = meet ? overlapping(x, weight, stride, padding) : side_by_side(x, weight);
  return bias.defined() ? y + bias.view({1, -1, 1, 1}) : y;
}
