// LibTorch keeps the whole input and eight bytes per output for the gradient of this. A window's place fits
// into one byte, and nothing else is needed.
#include "kernels/pooling.h"

#include "kernels/element.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/max_pool2d.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

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

  /// Calls body(output, tap, input, is_first) with the first channel of each output pixel of row `y` and of
  /// each pixel in its window.
  template <class Body>
  void for_each(int64_t y, Body &&body) const {
    for (int64_t x = 0; x < out(width); ++x) {
      bool is_first = true;
      for (int64_t tap = 0; tap < kernel * kernel; ++tap) {
        const int64_t row = y * stride - padding + tap / kernel, column = x * stride - padding + tap % kernel;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        body((y * out(width) + x) * channels, static_cast<uint8_t>(tap), (row * width + column) * channels,
             is_first);
        is_first = false;
      }
    }
  }
};

template <class T>
CT_INLINE void take_greater(const T *x, uint8_t tap, bool is_first, int64_t channels, T *y, uint8_t *taps) {
  for (int64_t c = 0; c < channels; ++c) {
    const bool is_greater = is_first || x[c] > y[c] || x[c] != x[c];
    y[c] = is_greater ? x[c] : y[c];
    taps[c] = is_greater ? tap : taps[c];
  }
}

template <class T>
CT_INLINE void add_where(const T *dy, const uint8_t *taps, uint8_t tap, int64_t channels, T *dx) {
  for (int64_t c = 0; c < channels; ++c) dx[c] += taps[c] == tap ? dy[c] : T(0);
}

#define CT_LOOPS(T)                                                                                  \
  /* A window's greatest numbers so far, and their places. */                                        \
  CT_WIDE void take(const T *x, uint8_t tap, bool is_first, int64_t channels, T *y, uint8_t *taps) { \
    take_greater(x, tap, is_first, channels, y, taps);                                               \
  }                                                                                                  \
  CT_WIDE void add(const T *dy, const uint8_t *taps, uint8_t tap, int64_t channels, T *dx) {         \
    add_where(dy, taps, tap, channels, dx);                                                          \
  }
CT_LOOPS(float)
CT_LOOPS(double)
#undef CT_LOOPS

struct MaxPool : torch::autograd::Function<MaxPool> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, int64_t kernel, int64_t stride,
                            int64_t padding) {
    const at::Tensor x = input.contiguous(channels_last);
    const Windows windows{x.size(1), x.size(2), x.size(3), kernel, stride, padding};
    const int64_t rows = windows.out(x.size(2)), columns = windows.out(x.size(3));
    const at::Tensor y =
        at::empty({x.size(0), x.size(1), rows, columns}, x.options().memory_format(channels_last));
    const at::Tensor taps = at::empty_like(y, at::kByte);
    with_element(x, [&]<class T>(T) {
      for_each_in_parallel(x.size(0) * rows, [&](int64_t i) {
        const T *from = x.data_ptr<T>() + i / rows * windows.inputs();
        T *to = y.data_ptr<T>() + i / rows * windows.outputs();
        uint8_t *places = taps.data_ptr<uint8_t>() + i / rows * windows.outputs();
        windows.for_each(i % rows, [&](int64_t output, uint8_t tap, int64_t pixel, bool is_first) {
          take(from + pixel, tap, is_first, windows.channels, to + output, places + output);
        });
      });
    });
    context->save_for_backward({taps});
    context->saved_data["windows"] = std::vector<int64_t>{x.size(2), x.size(3), kernel, stride, padding};
    return y;
  }

  /// Windows overlap, so an image is one thread's.
  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of a maximum over windows has no gradient here");
    const at::Tensor dy = outputs[0].contiguous(channels_last), taps = context->get_saved_variables()[0];
    const auto sizes = context->saved_data["windows"].toIntVector();
    const Windows windows{dy.size(1), sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
    const at::Tensor dx = at::empty({dy.size(0), dy.size(1), windows.height, windows.width},
                                    dy.options().memory_format(channels_last));
    with_element(dy, [&]<class T>(T) {
      for_each_in_parallel(dy.size(0), [&](int64_t i) {
        const T *from = dy.data_ptr<T>() + i * windows.outputs();
        const uint8_t *places = taps.data_ptr<uint8_t>() + i * windows.outputs();
        T *to = dx.data_ptr<T>() + i * windows.inputs();
        std::fill_n(to, windows.inputs(), T(0));
        for (int64_t row = 0; row < dy.size(2); ++row)
          windows.for_each(row, [&](int64_t output, uint8_t tap, int64_t pixel, bool) {
            add(from + output, places + output, tap, windows.channels, to + pixel);
          });
      });
    });
    return {dx, {}, {}, {}};
  }
};

}  // namespace

at::Tensor ctorch::max_pool2d(const at::Tensor &x, int64_t kernel, int64_t stride, int64_t padding) {
  constexpr int64_t most = 16;  // the places of a larger window do not fit into a byte
  const bool is_ours = x.is_cpu() && x.dim() == 4 && x.numel() > 0 &&
                       (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
  const bool fits = kernel > 0 && kernel <= most && stride > 0 && padding >= 0 && 2 * padding <= kernel &&
                    is_ours && x.size(2) + 2 * padding >= kernel && x.size(3) + 2 * padding >= kernel;
  // Where the sizes do not go together, LibTorch's message says why.
  if (!fits) return at::max_pool2d(x, {kernel, kernel}, {stride, stride}, {padding, padding});
  return MaxPool::apply(x, kernel, stride, padding);
}
