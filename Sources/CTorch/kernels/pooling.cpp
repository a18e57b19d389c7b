// LibTorch keeps the whole input and eight bytes per output for the gradient of this. A window's place fits
// into one byte, and nothing else is needed.
#include "kernels/pooling.h"

#include "kernels/element.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

constexpr auto channels_last = at::MemoryFormat::ChannelsLast;

struct Windows {
  int64_t channels, height, width, kernel, stride, padding;

  int64_t out(int64_t size) const { return (size + 2 * padding - kernel) / stride + 1; }
  int64_t inputs() const { return channels * height * width; }
  int64_t outputs() const { return channels * out(height) * out(width); }

  /// Calls body(output, tap, input) with the first channel of each output pixel and of each pixel in its
  /// window.
  template <class Body>
  void for_each(Body &&body) const {
    int64_t output = 0;
    for (int64_t y = 0; y < out(height); ++y)
      for (int64_t x = 0; x < out(width); ++x, output += channels)
        for (int64_t tap = 0; tap < kernel * kernel; ++tap) {
          const int64_t row = y * stride - padding + tap / kernel,
                        column = x * stride - padding + tap % kernel;
          if (row >= 0 && row < height && column >= 0 && column < width)
            body(output, tap, (row * width + column) * channels);
        }
  }
};

template <class T>
__attribute__((always_inline)) inline void raise_to(const T *x, uint8_t tap, int64_t channels, T *y,
                                                    uint8_t *taps) {
  for (int64_t c = 0; c < channels; ++c) {
    const bool is_greater = x[c] > y[c] || x[c] != x[c];
    y[c] = is_greater ? x[c] : y[c];
    taps[c] = is_greater ? tap : taps[c];
  }
}

template <class T>
__attribute__((always_inline)) inline void add_where(const T *dy, const uint8_t *taps, uint8_t tap,
                                                     int64_t channels, T *dx) {
  for (int64_t c = 0; c < channels; ++c) dx[c] += taps[c] == tap ? dy[c] : T(0);
}

#define CT_LOOPS(T)                                                                          \
  /* A window's greatest numbers so far, and their places. */                                \
  CT_WIDE void raise(const T *x, uint8_t tap, int64_t channels, T *y, uint8_t *taps) {       \
    raise_to(x, tap, channels, y, taps);                                                     \
  }                                                                                          \
  CT_WIDE void add(const T *dy, const uint8_t *taps, uint8_t tap, int64_t channels, T *dx) { \
    add_where(dy, taps, tap, channels, dx);                                                  \
  }
CT_LOOPS(float)
CT_LOOPS(double)
#undef CT_LOOPS

struct MaxPool : torch::autograd::Function<MaxPool> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, int64_t kernel, int64_t stride,
                            int64_t padding) {
    const at::Tensor x = input.contiguous(channels_last);
    const Windows windows{x.size(1), x.size(2), x.size(3), kernel, stride, padding};
    const at::Tensor y = at::empty({x.size(0), x.size(1), windows.out(x.size(2)), windows.out(x.size(3))},
                                   x.options().memory_format(channels_last));
    const at::Tensor taps = at::empty_like(y, at::kByte);
    with_element(x, [&]<class T>(T) {
      for_each_in_parallel(x.size(0), [&](int64_t i) {
        T *to = y.data_ptr<T>() + i * windows.outputs();
        uint8_t *places = taps.data_ptr<uint8_t>() + i * windows.outputs();
        const T *from = x.data_ptr<T>() + i * windows.inputs();
        std::fill_n(to, windows.outputs(), -std::numeric_limits<T>::infinity());
        std::fill_n(places, windows.outputs(), uint8_t(0));
        windows.for_each([&](int64_t output, int64_t tap, int64_t pixel) {
          raise(from + pixel, static_cast<uint8_t>(tap), windows.channels, to + output, places + output);
        });
      });
    });
    context->save_for_backward({taps});
    context->saved_data["windows"] = std::vector<int64_t>{x.size(2), x.size(3), kernel, stride, padding};
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of a maximum over windows has no gradient here");
    const at::Tensor dy = outputs[0].contiguous(channels_last), taps = context->get_saved_variables()[0];
    const auto sizes = context->saved_data["windows"].toIntVector();
    const Windows windows{dy.size(1), sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
    const at::Tensor dx = at::empty({dy.size(0), dy.size(1), windows.height, windows.width},
                                    dy.options().memory_format(channels_last));
    with_element(dy, [&]<class T>(T) {
      for_each_in_parallel(dy.size(0), [&](int64_t i) {
        T *to = dx.data_ptr<T>() + i * windows.inputs();
        const T *from = dy.data_ptr<T>() + i * windows.outputs();
        const uint8_t *places = taps.data_ptr<uint8_t>() + i * windows.outputs();
        std::fill_n(to, windows.inputs(), T(0));
        windows.for_each([&](int64_t output, int64_t tap, int64_t pixel) {
          add(from + output, places + output, static_cast<uint8_t>(tap), windows.channels, to + pixel);
        });
      });
    });
    return {dx, {}, {}, {}};
  }
};

}  // namespace

at::Tensor ctorch::max_pool2d(const at::Tensor &x, int64_t kernel, int64_t stride, int64_t padding) {
  const bool is_ours = x.is_cpu() && x.dim() == 4 && x.numel() > 0 &&
                       (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
  const bool fits = kernel > 0 && kernel < 16 && stride > 0 && padding >= 0 && 2 * padding <= kernel &&
                    is_ours && x.size(2) + 2 * padding >= kernel && x.size(3) + 2 * padding >= kernel;
  // Where the sizes do not go together, LibTorch's message says why.
  if (!fits) return at::max_pool2d(x, {kernel, kernel}, {stride, stride}, {padding, padding});
  return MaxPool::apply(x, kernel, stride, padding);
}
