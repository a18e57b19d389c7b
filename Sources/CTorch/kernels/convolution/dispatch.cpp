// Convolution of float32 images in channels-last memory, each pass by whichever is fastest on a CPU with
// AVX-512: oneDNN, which LibTorch calls, Winograd's filtering (docs/decisions/0019), or a matrix product over
// gathered patches (docs/decisions/0014).
#include "kernels/convolution/convolution.h"

#include "kernels/convolution/im2col.h"
#include "kernels/convolution/winograd.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

static at::Tensor by_library(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding) {
  // The dilation is given for each direction: the counter of work needs it so.
  return at::conv2d(x, weight, {}, {stride, stride}, {padding, padding}, {1, 1});
}

#ifdef CT_X86_LINUX

namespace {

using namespace ctorch;

enum class Algorithm { library, im2col, winograd };

/// The algorithms of the three passes: by the shape alone, never by a clock, so that a resumed run computes
/// the same as an uninterrupted one.
struct Plan {
  Algorithm forward = Algorithm::library, input_gradient = Algorithm::library,
            weight_gradient = Algorithm::library;

  explicit Plan(const Geometry &g) {
    if (winograd::fits(g)) {
      forward = input_gradient = weight_gradient = Algorithm::winograd;
    } else if (im2col::fits(g)) {
      const bool is_single = g.kernel_height == 1 && g.kernel_width == 1, is_large = g.weights() >= 1 << 20;
      const bool is_pointwise = im2col::is_pointwise(g);
      if (is_pointwise || (is_single ? g.weights() >= 1 << 17 : is_large))
        forward = input_gradient = Algorithm::im2col;
      if (is_pointwise ? is_large : g.weights() >= (is_single ? 1 << 17 : g.stride > 1 ? 1 << 16 : 1 << 19))
        weight_gradient = Algorithm::im2col;
    }
  }

  bool is_all_library() const {
    return forward == Algorithm::library && input_gradient == Algorithm::library &&
           weight_gradient == Algorithm::library;
  }
};

Geometry geometry_of(const at::Tensor &x, const at::Tensor &weight, int64_t stride, int64_t padding) {
  return {x.size(0),      x.size(2),      x.size(3), x.size(1), weight.size(0),
          weight.size(2), weight.size(3), stride,    padding};
}

at::Tensor empty_images(int64_t n, int64_t channels, int64_t height, int64_t width) {
  return at::empty({n, channels, height, width},
                   at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
}

at::Tensor result(Algorithm algorithm, const Geometry &g, const at::Tensor &x, const at::Tensor &weight) {
  const at::Tensor y = empty_images(g.n, g.outputs, g.out_height(), g.out_width());
  const auto forward = algorithm == Algorithm::winograd ? winograd::forward : im2col::forward;
  forward(g, x.data_ptr<float>(), weight.data_ptr<float>(), y.data_ptr<float>());
  return y;
}

at::Tensor input_gradient(Algorithm algorithm, const Geometry &g, const at::Tensor &dy,
                          const at::Tensor &weight) {
  const at::Tensor dx = empty_images(g.n, g.inputs, g.height, g.width);
  const auto backward = algorithm == Algorithm::winograd ? winograd::input_gradient : im2col::input_gradient;
  backward(g, dy.data_ptr<float>(), weight.data_ptr<float>(), dx.data_ptr<float>());
  return dx;
}

at::Tensor weight_gradient(Algorithm algorithm, const Geometry &g, const at::Tensor &dy,
                           const at::Tensor &x) {
  if (algorithm == Algorithm::winograd) {
    const at::Tensor dweight = at::empty({g.outputs, 3, 3, g.inputs}, at::kFloat);
    winograd::weight_gradient(g, dy.data_ptr<float>(), x.data_ptr<float>(), dweight.data_ptr<float>());
    return dweight.permute({0, 3, 1, 2});
  }
  const int64_t threads = threads_for(g.n);
  const at::Tensor sums =
      at::zeros({threads, g.outputs, g.kernel_height, g.kernel_width, g.inputs}, at::kFloat);
  im2col::weight_gradient(g, dy.data_ptr<float>(), x.data_ptr<float>(), threads, sums.data_ptr<float>());
  return (threads == 1 ? sums[0] : sums.sum(0)).permute({0, 3, 1, 2});
}

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &kernel,
                            int64_t stride, int64_t padding) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor weight = kernel.contiguous(at::MemoryFormat::ChannelsLast);
    context->save_for_backward({x, weight});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    const Geometry geometry = geometry_of(x, weight, stride, padding);
    const Algorithm algorithm = Plan(geometry).forward;
    if (algorithm == Algorithm::library) return by_library(x, weight, stride, padding);
    RECORD_FUNCTION("ctorch::convolution", std::vector<c10::IValue>({x,
                                                                     weight,
                                                                     {},
                                                                     std::vector<int64_t>{stride, stride},
                                                                     std::vector<int64_t>{padding, padding},
                                                                     std::vector<int64_t>{1, 1}}));
    return result(algorithm, geometry, x, weight);
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a convolution's gradient has no gradient of its own here");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const int64_t stride = context->saved_data["stride"].toInt(),
                  padding = context->saved_data["padding"].toInt();
    const at::Tensor dy = outputs[0].contiguous(at::MemoryFormat::ChannelsLast);
    const Geometry geometry = geometry_of(x, weight, stride, padding);
    const Plan plan(geometry);
    const bool for_input = context->needs_input_grad(0), for_weight = context->needs_input_grad(1);
    const bool input_here = for_input && plan.input_gradient != Algorithm::library;
    const bool weight_here = for_weight && plan.weight_gradient != Algorithm::library;

    variable_list gradients(4);
    const std::array<bool, 3> left{for_input && !input_here, for_weight && !weight_here, false};
    if (left[0] || left[1])
      std::tie(gradients[0], gradients[1], std::ignore) = at::convolution_backward(
          dy, x, weight, at::OptionalIntArrayRef(), {stride, stride}, {padding, padding}, {1, 1},
          /*transposed=*/false, {0, 0}, /*groups=*/1, left);
    if (!input_here && !weight_here) return gradients;
    RECORD_FUNCTION(
        "ctorch::convolution_backward",
        std::vector<c10::IValue>({dy, x, weight, c10::List<bool>({input_here, weight_here, false})}));
    if (input_here) gradients[0] = input_gradient(plan.input_gradient, geometry, dy, weight);
    if (weight_here) gradients[1] = weight_gradient(plan.weight_gradient, geometry, dy, x);
    return gradients;
  }
};

bool is_plain(const at::Tensor &x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.numel() > 0 &&
         x.layout() == at::kStrided;
}

}  // namespace

at::Tensor ctorch::convolution(const at::Tensor &x, const at::Tensor &weight, int64_t stride,
                               int64_t padding) {
  // Measured with AVX-512 only.
  static const bool is_measured = at::get_cpu_capability() == "AVX512";
  const bool fits = is_measured && is_plain(x) && is_plain(weight) && weight.size(1) == x.size(1) &&
                    stride > 0 && padding >= 0 && weight.size(2) <= x.size(2) + 2 * padding &&
                    weight.size(3) <= x.size(3) + 2 * padding && !at::autocast::is_autocast_enabled(at::kCPU);
  if (!fits || Plan(geometry_of(x, weight, stride, padding)).is_all_library())
    return by_library(x, weight, stride, padding);
  return Convolution::apply(x, weight, stride, padding);
}

#else

at::Tensor ctorch::convolution(const at::Tensor &x, const at::Tensor &weight, int64_t stride,
                               int64_t padding) {
  return by_library(x, weight, stride, padding);
}

#endif
