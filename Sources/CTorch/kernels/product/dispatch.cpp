// Products of matrices on a CPU with their gradients, which are products too.
#include "kernels/product/product.h"
#include "kernels/reductions.h"

#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

at::Tensor recorded(const at::Tensor &a, const at::Tensor &b, const at::Tensor &bias = {}) {
  RECORD_FUNCTION("ctorch::product", std::vector<c10::IValue>({a, b}));
  return product(a, b, bias);
}

struct Product : torch::autograd::Function<Product> {
  /// N×K times K×M, plus M.
  static at::Tensor forward(AutogradContext *context, const at::Tensor &a, const at::Tensor &b,
                            const std::optional<at::Tensor> &bias) {
    context->save_for_backward({a, b});
    context->saved_data["bias"] = bias.has_value();
    return recorded(a, b, bias.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a product's gradient has no gradient of its own here");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &a = saved[0], &b = saved[1], dy = outputs[0].contiguous();
    variable_list gradients(3);
    if (context->needs_input_grad(0)) gradients[0] = recorded(dy, b.t());
    // The gradient lies in memory as the factor does: optimizers need that.
    if (context->needs_input_grad(1))
      gradients[1] = b.stride(0) == 1 ? recorded(dy.t(), a).t() : recorded(a.t(), dy);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2))
      gradients[2] = ctorch::sum(dy, {0}, false);
    return gradients;
  }
};

/// Others have LibTorch's own.
bool is_ours(const at::Tensor &x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && x.numel() > 0 &&
         !at::autocast::is_autocast_enabled(at::kCPU);
}

bool are_ours(const at::Tensor &a, const at::Tensor &b) {
  return is_ours(a) && is_ours(b) && a.scalar_type() == b.scalar_type() && b.dim() == 2;
}

}  // namespace

at::Tensor ctorch::matmul(const at::Tensor &a, const at::Tensor &b) {
  if (!are_ours(a, b) || a.dim() != 2 || a.size(1) != b.size(0)) return at::matmul(a, b);
  return Product::apply(a, b, std::nullopt);
}

at::Tensor ctorch::linear(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias) {
  const std::optional<at::Tensor> added = bias.defined() ? std::optional(bias) : std::nullopt;
  const bool fits = are_ours(x, weight) && x.dim() >= 2 && x.size(-1) == weight.size(1) &&
                    (!added || (added->dim() == 1 && added->size(0) == weight.size(0) &&
                                added->scalar_type() == x.scalar_type()));
  if (!fits) return at::linear(x, weight, added);
  const at::Tensor y = Product::apply(x.reshape({-1, x.size(-1)}), weight.t(), added);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return y.view(shape);
}
