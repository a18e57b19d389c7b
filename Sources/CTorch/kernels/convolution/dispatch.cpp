// Convolution on a CPU, in channels-last memory and in blocks whose number does not depend on the threads.
// Each pass by whichever is fastest: oneDNN, which LibTorch calls; a matrix product of the pixels, or of
// those behind each place of a dilated kernel; with AVX-512 or AVX2 Winograd's filtering
// (docs/decisions/0019), or a matrix product over gathered patches; and with AVX2 the definition's sums, of
// few channels (docs/decisions/0014).
#include "kernels/convolution/convolution.h"

#include "kernels/batch_norm/batch_norm.h"
#include "kernels/convolution/direct.h"
#include "kernels/convolution/im2col.h"
#include "kernels/convolution/library.h"
#include "kernels/convolution/taps.h"
#include "kernels/convolution/winograd.h"
#include "kernels/product/bfloat16.h"
#include "kernels/product/product.h"
#include "kernels/reductions.h"
#include "kernels/simd.h"

#include <ATen/Version.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <string>

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

using namespace ctorch;

/// `pixels` are those of a 1×1 kernel that leaves out none: a matrix product as it stands. `taps` are a
/// product for each place of a dilated kernel.
enum class Algorithm { library, pixels, im2col, winograd, taps, direct };

/// Whether there is one stride, one padding, one dilation and one group.
bool is_simple(const ConvolutionArguments &how) {
  return how.stride[0] == how.stride[1] && how.padding[0] == how.padding[1] &&
         how.dilation[0] == how.dilation[1] && how.groups == 1;
}

Geometry geometry_of(const at::Tensor &x, const at::Tensor &weight, const ConvolutionArguments &how) {
  return {x.size(0),      x.size(2),      x.size(3),     x.size(1),      weight.size(0),
          weight.size(2), weight.size(3), how.stride[0], how.padding[0], how.dilation[0]};
}

/// The algorithms of the three passes: by shape and type alone, never by a clock, so that a resumed run
/// computes the same as an uninterrupted one.
struct Plan {
  Algorithm forward = Algorithm::library, input_gradient = Algorithm::library,
            weight_gradient = Algorithm::library;

  Plan(const at::Tensor &x, const at::Tensor &weight, const ConvolutionArguments &how) {
    if (taps::fits(weight, how)) weight_gradient = Algorithm::taps;
    if (!is_simple(how)) return;
    const Geometry g = geometry_of(x, weight, how);
    if (is_pointwise(g)) {
      forward = input_gradient = weight_gradient = Algorithm::pixels;
      return;
    }
#ifdef CT_X86_LINUX
    static const std::string width = at::get_cpu_capability();
    if ((width != "AVX512" && width != "AVX2") || x.scalar_type() == at::kDouble) return;
    if (winograd::fits(g)) {
      // oneDNN and `taps` leave out the products of a dilated kernel with pixels in the padding.
      if (g.dilation <= 2) forward = input_gradient = Algorithm::winograd;
      if (g.dilation <= 6) weight_gradient = Algorithm::winograd;
    } else {
      if (im2col::fits(g)) width == "AVX512" ? gather_by_avx512(g) : gather_by_avx2(g);
      if (width == "AVX2") take_few_channels(g);
    }
#endif
  }

private:
  void gather_by_avx512(const Geometry &g) {
    const bool is_single = g.kernel_height == 1 && g.kernel_width == 1;
    if (g.weights() >= (is_single ? 1 << 17 : 1 << 20)) forward = input_gradient = Algorithm::im2col;
    if (g.weights() >= (is_single ? 1 << 17 : g.stride > 1 ? 1 << 16 : 1 << 19))
      weight_gradient = Algorithm::im2col;
  }

  void gather_by_avx2(const Geometry &g) {
    const bool is_single = g.kernel_height == 1 && g.kernel_width == 1;
    const bool is_strided = g.stride > 1 && g.inputs >= 32 && g.weights() < 1 << 20;
    if (is_single) forward = Algorithm::im2col;
    if (is_single || is_strided) input_gradient = Algorithm::im2col;
    if (is_strided) weight_gradient = Algorithm::im2col;
  }

  void take_few_channels(const Geometry &g) {
    if (!direct::fits(g) || g.weights() > 1 << 17) return;
    forward = Algorithm::direct;
    if (direct::has_input_gradient(g)) input_gradient = Algorithm::direct;
    // Where fewer products share a gradient, reading the gradients takes the time.
    if (g.weights() <= 1 << 15 && g.outputs <= 2 * g.patch()) weight_gradient = Algorithm::direct;
  }
};

/// A factor as algorithms take it: Winograd's filtering reads bfloat16 itself, the others float32.
class Factor {
public:
  explicit Factor(const at::Tensor &x) : given(x) {}

  const at::Tensor &of(Algorithm algorithm) {
    if (algorithm == Algorithm::winograd) return given;
    if (!wide.defined()) wide = widened(given);
    return wide;
  }

private:
  at::Tensor given, wide;
};

/// Calls body with a number of the images' type, for Winograd's filtering: float32 or bfloat16.
template <class Body>
void with_pixel(const at::Tensor &images, Body &&body) {
  images.scalar_type() == at::kBFloat16 ? body(at::BFloat16()) : body(float());
}

at::Tensor empty_images(int64_t n, int64_t channels, int64_t height, int64_t width, const at::Tensor &like) {
  return at::empty({n, channels, height, width},
                   like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

at::Tensor matrix(const at::Tensor &weight) { return weight.reshape({weight.size(0), weight.size(1)}); }

/// The images of pixel_rows(x)·b, plus `bias`: a tensor of their own, no view, which LibTorch would not let
/// change in place.
at::Tensor image_product(const at::Tensor &x, const at::Tensor &b, const at::Tensor &bias = {}) {
  const at::Tensor y = empty_images(x.size(0), b.size(1), x.size(2), x.size(3), x);
  product_into(pixel_rows(y), pixel_rows(x), b, bias);
  return y;
}

at::Tensor forward(Algorithm algorithm, Factor &pixels, const at::Tensor &weight, const at::Tensor &bias,
                   const ConvolutionArguments &how) {
  const at::Tensor &x = pixels.of(algorithm);
  if (algorithm == Algorithm::library) return library::forward(x, weight, bias, how);
  if (algorithm == Algorithm::pixels) return image_product(x, matrix(weight).t(), bias);
  const Geometry g = geometry_of(x, weight, how);
  const at::Tensor y = empty_images(g.n, g.outputs, g.out_height(), g.out_width(), x);
#ifdef CT_X86_LINUX
  const float *weights = weight.data_ptr<float>();
  if (algorithm == Algorithm::winograd) {
    const at::Tensor added = bias.defined() ? bias.contiguous() : bias;
    with_pixel(x, [&]<class Pixel>(Pixel) {
      winograd::forward(g, x.data_ptr<Pixel>(), weights, added.defined() ? added.data_ptr<float>() : nullptr,
                        y.data_ptr<Pixel>());
    });
    return y;
  }
  const auto pass = algorithm == Algorithm::direct ? direct::forward : im2col::forward;
  pass(g, x.data_ptr<float>(), weights, y.data_ptr<float>());
#endif
  return bias.defined() ? y.add_(bias.view({1, -1, 1, 1})) : y;
}

at::Tensor input_gradient(Algorithm algorithm, Factor &grads, Factor &pixels, const at::Tensor &weight,
                          const ConvolutionArguments &how) {
  const at::Tensor &dy = grads.of(algorithm), &x = pixels.of(algorithm);
  if (algorithm == Algorithm::library) return library::input_gradient(dy, x, weight, how);
  if (algorithm == Algorithm::pixels) return image_product(dy, matrix(weight));
  const Geometry g = geometry_of(x, weight, how);
  const at::Tensor dx = empty_images(g.n, g.inputs, g.height, g.width, x);
#ifdef CT_X86_LINUX
  const float *weights = weight.data_ptr<float>();
  if (algorithm == Algorithm::winograd) {
    with_pixel(dy, [&]<class Pixel>(Pixel) {
      winograd::input_gradient(g, dy.data_ptr<Pixel>(), weights, dx.data_ptr<Pixel>());
    });
    return dx;
  }
  const auto pass = algorithm == Algorithm::direct ? direct::input_gradient : im2col::input_gradient;
  pass(g, dy.data_ptr<float>(), weights, dx.data_ptr<float>());
#endif
  return dx;
}

at::Tensor weight_gradient(Algorithm algorithm, Factor &grads, Factor &pixels, const at::Tensor &weight,
                           const ConvolutionArguments &how) {
  const at::Tensor &dy = grads.of(algorithm), &x = pixels.of(algorithm);
  if (algorithm == Algorithm::library) return library::weight_gradient(dy, x, weight, how);
  if (algorithm == Algorithm::taps) return taps::weight_gradient(dy, x, weight, how);
  if (algorithm == Algorithm::pixels)
    return product(pixel_rows(dy).t(), pixel_rows(x))
        .view({weight.size(0), 1, 1, weight.size(1)})
        .permute({0, 3, 1, 2});
  const Geometry g = geometry_of(x, weight, how);
  const at::Tensor dweight =
      at::empty({g.outputs, g.kernel_height, g.kernel_width, g.inputs}, weight.options());
#ifdef CT_X86_LINUX
  float *result = dweight.data_ptr<float>();
  if (algorithm == Algorithm::winograd) {
    with_pixel(dy, [&]<class Pixel>(Pixel) {
      winograd::weight_gradient(g, dy.data_ptr<Pixel>(), x.data_ptr<Pixel>(), result);
    });
    return dweight.permute({0, 3, 1, 2});
  }
  const auto pass = algorithm == Algorithm::direct ? direct::weight_gradient : im2col::weight_gradient;
  pass(g, dy.data_ptr<float>(), x.data_ptr<float>(), result);
#endif
  return dweight.permute({0, 3, 1, 2});
}

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &kernel,
                            const std::optional<at::Tensor> &bias, const ConvolutionArguments &how,
                            const std::optional<Activation> &made) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor weight = kernel.contiguous(at::MemoryFormat::ChannelsLast);
    if (made)
      context->save_for_backward({weight, made->x, made->scale, made->shift});
    else
      context->save_for_backward({weight, x});
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["how"] =
        std::vector<int64_t>{how.stride[0],   how.stride[1],   how.padding[0], how.padding[1],
                             how.dilation[0], how.dilation[1], how.groups};
    RECORD_FUNCTION(
        "ctorch::convolution",
        std::vector<c10::IValue>({x,
                                  weight,
                                  {},
                                  std::vector<int64_t>(how.stride.begin(), how.stride.end()),
                                  std::vector<int64_t>(how.padding.begin(), how.padding.end()),
                                  std::vector<int64_t>(how.dilation.begin(), how.dilation.end())}));
    Factor pixels(x);
    return ::forward(Plan(x, weight, how).forward, pixels, widened(weight),
                     widened(bias.value_or(at::Tensor())), how)
        .to(x.scalar_type());
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a convolution's gradient has no gradient of its own here");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor weight = widened(saved[0]);
    const bool for_input = context->needs_input_grad(0), for_weight = context->needs_input_grad(1);
    // The input's gradient needs but the shape.
    const bool is_kept = saved.size() == 2 || !for_weight;
    const at::Tensor x = is_kept ? saved[1] : Activation{saved[1], saved[2], saved[3]}.again();
    const auto all = context->saved_data["how"].toIntVector();
    const ConvolutionArguments how{{all[0], all[1]}, {all[2], all[3]}, {all[4], all[5]}, all[6]};
    const at::Tensor dy = outputs[0].contiguous(at::MemoryFormat::ChannelsLast);
    Factor pixels(x), grads(dy);
    const Plan plan(x, weight, how);
    RECORD_FUNCTION(
        "ctorch::convolution_backward",
        std::vector<c10::IValue>({dy, x, weight, c10::List<bool>({for_input, for_weight, false})}));
    variable_list gradients(5);
    if (for_input) gradients[0] = input_gradient(plan.input_gradient, grads, pixels, weight, how);
    if (for_weight) gradients[1] = weight_gradient(plan.weight_gradient, grads, pixels, weight, how);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2))
      gradients[2] = ctorch::sum(widened(dy), {0, 2, 3}, false);
    for (at::Tensor &gradient : gradients)
      if (gradient.defined()) gradient = gradient.to(outputs[0].scalar_type());
    return gradients;
  }
};

bool is_plain(const at::Tensor &x) {
  const at::ScalarType type = x.scalar_type();
  return x.is_cpu() && x.dim() == 4 && x.numel() > 0 && x.layout() == at::kStrided &&
         (type == at::kFloat || type == at::kDouble || (type == at::kBFloat16 && widens_bfloat16()));
}

/// Whether the sizes go together; where they do not, LibTorch's message says why.
bool fits(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
          const ConvolutionArguments &how) {
  if (!is_plain(x) || !is_plain(weight) || x.scalar_type() != weight.scalar_type()) return false;
  if (bias.defined() && (bias.dim() != 1 || bias.size(0) != weight.size(0))) return false;
  for (int d = 0; d < 2; ++d)
    if (how.stride[d] < 1 || how.padding[d] < 0 || how.dilation[d] < 1 ||
        how.dilation[d] * (weight.size(2 + d) - 1) + 1 > x.size(2 + d) + 2 * how.padding[d])
      return false;
  return how.groups > 0 && weight.size(0) % how.groups == 0 && weight.size(1) * how.groups == x.size(1) &&
         !leaves_products_to_autocast();
}

}  // namespace

at::Tensor ctorch::convolution(const at::Tensor &input, const at::Tensor &kernel, const at::Tensor &bias,
                               const ConvolutionArguments &how) {
  const at::Tensor x = factor(input), weight = factor(kernel), narrow = factor(bias);
  const std::optional<at::Tensor> added = narrow.defined() ? std::optional(narrow) : std::nullopt;
  if (!fits(x, weight, narrow, how))
    return at::conv2d(x, weight, added, how.stride, how.padding, how.dilation, how.groups);
  const WithoutAutocast plain(autocast_keys);
  return Convolution::apply(x, weight, added, how, activation(x));
}
