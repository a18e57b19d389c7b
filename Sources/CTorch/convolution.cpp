// Convolution of float32 images in channels-last memory, each pass by whichever is fastest on a CPU with AVX-512:
// oneDNN, which LibTorch calls, Winograd's filtering (docs/decisions/0019), or a matrix product over gathered patches
// (docs/decisions/0014).

// As LibTorch itself was built: without this a header of its asks for a mark that only a debug build of it sets.
#ifndef NDEBUG
#define NDEBUG
#endif
#include "convolution.h"

#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

static at::Tensor by_library(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding) {
  // The dilation is spelt out for each direction: the counter of work reads it so.
  return at::conv2d(x, weight, {}, {stride, stride}, {padding, padding}, {1, 1});
}

#if defined(__x86_64__) && defined(__linux__)

namespace {

using namespace ctorch;

enum class Way { library, product, winograd };

/// The ways of the three passes: by the shape alone, never by a clock, so that a run that is resumed computes what the
/// run that was never stopped would have.
struct Ways {
  Way forward = Way::library, input_gradient = Way::library, weight_gradient = Way::library;

  explicit Ways(const Geometry &g) {
    if (winograd::fits(g)) {
      forward = input_gradient = weight_gradient = Way::winograd;
    } else if (product::fits(g)) {
      const bool is_single = g.kernel_height == 1 && g.kernel_width == 1, is_large = g.weights() >= 1 << 20;
      const bool is_pointwise = product::is_pointwise(g);
      if (is_pointwise || (is_single ? g.weights() >= 1 << 17 : is_large)) forward = input_gradient = Way::product;
      if (is_pointwise ? is_large : g.weights() >= (is_single ? 1 << 17 : g.stride > 1 ? 1 << 16 : 1 << 19))
        weight_gradient = Way::product;
    }
  }

  bool are_all_library() const {
    return forward == Way::library && input_gradient == Way::library && weight_gradient == Way::library;
  }
};

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &kernel, int64_t stride,
                            int64_t padding) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor weight = kernel.contiguous(at::MemoryFormat::ChannelsLast);
    context->save_for_backward({x, weight});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    const Geometry geometry(x, weight, stride, padding);
    const Way way = Ways(geometry).forward;
    if (way == Way::library) return by_library(x, weight, stride, padding);
    RECORD_FUNCTION("ctorch::convolution",
                    std::vector<c10::IValue>({x, weight, {}, std::vector<int64_t>{stride, stride},
                                              std::vector<int64_t>{padding, padding}, std::vector<int64_t>{1, 1}}));
    return way == Way::winograd ? winograd::forward(geometry, x, weight) : product::forward(geometry, x, weight);
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a convolution's gradient has no gradient of its own here");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const int64_t stride = context->saved_data["stride"].toInt(), padding = context->saved_data["padding"].toInt();
    const at::Tensor dy = outputs[0].contiguous(at::MemoryFormat::ChannelsLast);
    const Geometry geometry(x, weight, stride, padding);
    const Ways ways(geometry);
    const bool for_input = context->needs_input_grad(0), for_weight = context->needs_input_grad(1);
    const bool input_here = for_input && ways.input_gradient != Way::library;
    const bool weight_here = for_weight && ways.weight_gradient != Way::library;

    variable_list gradients(4);
    const std::array<bool, 3> left{for_input && !input_here, for_weight && !weight_here, false};
    if (left[0] || left[1])
      std::tie(gradients[0], gradients[1], std::ignore) =
          at::convolution_backward(dy, x, weight, at::OptionalIntArrayRef(), {stride, stride}, {padding, padding}, {1, 1},
                                   /*transposed=*/false, {0, 0}, /*groups=*/1, left);
    if (!input_here && !weight_here) return gradients;
    RECORD_FUNCTION("ctorch::convolution_backward",
                    std::vector<c10::IValue>({dy, x, weight, c10::List<bool>({input_here, weight_here, false})}));
    if (input_here)
      gradients[0] = ways.input_gradient == Way::winograd ? winograd::input_gradient(geometry, dy, weight)
                                                          : product::input_gradient(geometry, dy, weight);
    if (weight_here)
      gradients[1] = ways.weight_gradient == Way::winograd ? winograd::weight_gradient(geometry, dy, x)
                                                           : product::weight_gradient(geometry, dy, x);
    return gradients;
  }
};

bool is_plain(const at::Tensor &x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.numel() > 0 && x.layout() == at::kStrided;
}

} // namespace

at::Tensor ctorch::convolution(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding) {
  // Measured with AVX-512 only.
  static const bool is_measured = at::get_cpu_capability() == "AVX512";
  const bool fits = is_measured && is_plain(x) && is_plain(weight) && weight.size(1) == x.size(1) && stride > 0 &&
                    padding >= 0 && weight.size(2) <= x.size(2) + 2 * padding &&
                    weight.size(3) <= x.size(3) + 2 * padding && !at::autocast::is_autocast_enabled(at::kCPU);
  if (!fits || Ways(Geometry(x, weight, stride, padding)).are_all_library())
    return by_library(x, weight, stride, padding);
  return Convolution::apply(x, weight, stride, padding);
}

#else

at::Tensor ctorch::convolution(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding) {
  return by_library(x, weight, stride, padding);
}

#endif
