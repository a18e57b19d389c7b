#include "kernels/convolution/library.h"

#include "kernels/parallel.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <tuple>

namespace ctorch::library {

namespace {

constexpr auto channels_last = at::MemoryFormat::ChannelsLast;

/// Results' pixels in a block, so many that bringing the weights into oneDNN's order is small beside it.
constexpr int64_t least_pixels = 4096;
/// Images from which on oneDNN's forward pass and its gradient of the input do not depend on the number of
/// threads (LibTorch 2.11.0; `Benchmarks/bits`, docs/decisions/0023): they need no blocks.
constexpr int64_t whole_images = 16;
/// Products behind each number of a result from which on the copy of a block is small beside its work: there
/// blocks are worth it in any batch, since a busy core then holds nobody up.
constexpr int64_t cheap_copy = 1024;
/// Channels in a block.
constexpr int64_t least_channels = 32;
/// Products of two numbers that are worth a block of their own.
constexpr int64_t least_work = 1 << 22;
/// The most numbers in the partial sums of a weight's gradient, 64 MB.
constexpr int64_t most_of_sums = 1 << 24;

/// A grid of blocks: `down` of `images` each, and in each `across` of `channels`.
struct Grid {
  int64_t all_images, all_channels, images, channels, down, across;

  /// - channels: those that are divided; 1 if none are.
  Grid(const at::Tensor &y, const at::Tensor &weight, int64_t channels)
      : all_images(y.size(0)), all_channels(channels) {
    const int64_t pixels = y.size(2) * y.size(3);
    const int64_t most = std::max<int64_t>(1, all_images * pixels * weight.numel() / least_work);
    const int64_t parts =
        std::clamp<int64_t>(all_images * pixels / least_pixels, 1, std::min(all_images, most));
    images = ceil_div(all_images, parts), down = ceil_div(all_images, images);
    const int64_t wanted = std::min({ceil_div(enough_blocks, down), ceil_div(most, down),
                                     std::max<int64_t>(1, all_channels / least_channels)});
    this->channels = ceil_div(ceil_div(all_channels, wanted), 16) * 16;
    across = ceil_div(all_channels, this->channels);
  }

  /// Larger blocks of images, so that partial sums of `size` numbers fit.
  void limit(int64_t size) {
    images = ceil_div(all_images, std::clamp<int64_t>(most_of_sums / size, 1, down));
    down = ceil_div(all_images, images);
  }

  /// Runs body(row of the grid, a tensor's images in that row, a tensor's channels in that column).
  template <class Body>
  void for_each_block(Body &&body) const {
    for_each_in_parallel(down * across, [&](int64_t i) {
      const int64_t image = i / across * images, channel = i % across * channels;
      const auto own_images = [&](const at::Tensor &x) {
        return x.narrow(0, image, std::min(images, all_images - image));
      };
      const auto own_channels = [&](const at::Tensor &x, int64_t dim) {
        return across == 1 ? x : x.narrow(dim, channel, std::min(channels, all_channels - channel));
      };
      body(i / across, own_images, own_channels);
    });
  }
};

/// Channels within a group belong together.
int64_t divisible(int64_t channels, const ConvolutionArguments &how) {
  return how.groups == 1 ? channels : 1;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(const at::Tensor &dy, const at::Tensor &x,
                                                        const at::Tensor &weight,
                                                        const ConvolutionArguments &how, bool for_input) {
  return at::convolution_backward(dy.contiguous(channels_last), x.contiguous(channels_last),
                                  weight.contiguous(channels_last), at::OptionalIntArrayRef(), how.stride,
                                  how.padding, how.dilation, /*transposed=*/false, {0, 0}, how.groups,
                                  {for_input, !for_input, false});
}

}  // namespace

at::Tensor forward(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                   const ConvolutionArguments &how) {
  if (x.size(0) >= whole_images && weight.numel() / weight.size(0) < cheap_copy)
    return at::conv2d(x, weight, bias, how.stride, how.padding, how.dilation, how.groups);
  const auto out = [&](int64_t d) {
    return (x.size(2 + d) + 2 * how.padding[d] - how.dilation[d] * (weight.size(2 + d) - 1) - 1) /
               how.stride[d] +
           1;
  };
  const at::Tensor y =
      at::empty({x.size(0), weight.size(0), out(0), out(1)}, x.options().memory_format(channels_last));
  Grid(y, weight, divisible(weight.size(0), how)).for_each_block([&](int64_t, auto images, auto channels) {
    const at::Tensor own_bias = bias.defined() ? channels(bias, 0) : bias;
    channels(images(y), 1)
        .copy_(at::conv2d(images(x), channels(weight, 0), own_bias, how.stride, how.padding, how.dilation,
                          how.groups));
  });
  return y;
}

at::Tensor input_gradient(const at::Tensor &dy, const at::Tensor &x, const at::Tensor &weight,
                          const ConvolutionArguments &how) {
  if (x.size(0) >= whole_images && weight.numel() / x.size(1) < cheap_copy)
    return std::get<0>(backward(dy, x, weight, how, /*for_input=*/true));
  const at::Tensor dx = at::empty(x.sizes(), x.options().memory_format(channels_last));
  Grid(dy, weight, divisible(x.size(1), how)).for_each_block([&](int64_t, auto images, auto channels) {
    channels(images(dx), 1)
        .copy_(std::get<0>(
            backward(images(dy), channels(images(x), 1), channels(weight, 1), how, /*for_input=*/true)));
  });
  return dx;
}

at::Tensor weight_gradient(const at::Tensor &dy, const at::Tensor &x, const at::Tensor &weight,
                           const ConvolutionArguments &how) {
  Grid grid(dy, weight, divisible(weight.size(0), how));
  grid.limit(weight.numel());
  std::vector<int64_t> shape{grid.down};
  for (const int64_t dim : {0, 2, 3, 1}) shape.push_back(weight.size(dim));
  const at::Tensor sums = at::empty(shape, weight.options()).permute({0, 1, 4, 2, 3});
  grid.for_each_block([&](int64_t row, auto images, auto channels) {
    channels(sums[row], 0)
        .copy_(std::get<1>(
            backward(channels(images(dy), 1), images(x), channels(weight, 0), how, /*for_input=*/false)));
  });
  return grid.down == 1 ? sums[0] : sums.sum(0);
}

}  // namespace ctorch::library
