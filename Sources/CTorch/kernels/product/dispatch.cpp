// Products of matrices on a CPU with their gradients, which are products too.
#include "kernels/product/bfloat16.h"
#include "kernels/product/product.h"
#include "kernels/reductions.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
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
    return recorded(widened(a), widened(b), widened(bias.value_or(at::Tensor()))).to(a.scalar_type());
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a product's gradient has no gradient of its own here");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor a = widened(saved[0]), b = widened(saved[1]), dy = widened(outputs[0]).contiguous();
    variable_list gradients(3);
    if (context->needs_input_grad(0)) gradients[0] = recorded(dy, b.t());
    // The gradient lies in memory as the factor does: optimizers need that.
    if (context->needs_input_grad(1))
      gradients[1] = b.stride(0) == 1 ? recorded(dy.t(), a).t() : recorded(a.t(), dy);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2))
      gradients[2] = ctorch::sum(dy, {0}, false);
    for (at::Tensor &gradient : gradients)
      if (gradient.defined()) gradient = gradient.to(outputs[0].scalar_type());
    return gradients;
  }
};

/// Others have LibTorch's own.
bool is_ours(const at::Tensor &x) {
  const at::ScalarType type = x.scalar_type();
  return x.is_cpu() && x.numel() > 0 && !leaves_products_to_autocast() &&
         (type == at::kFloat || type == at::kDouble || (type == at::kBFloat16 && widens_bfloat16()));
}

bool are_ours(const at::Tensor &a, const at::Tensor &b, int64_t dimensions = 2) {
  return is_ours(a) && is_ours(b) && a.scalar_type() == b.scalar_type() && b.dim() == dimensions;
}

/// Batches of matrices whose products need no gradient; LibTorch's own have one.
bool are_our_batches(const at::Tensor &a, const at::Tensor &b) {
  return are_ours(a, b, 3) && a.dim() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(1) &&
         !(at::GradMode::is_enabled() && (a.requires_grad() || b.requires_grad()));
}

}  // namespace

at::Tensor ctorch::matmul(const at::Tensor &left, const at::Tensor &right) {
  const at::Tensor a = factor(left), b = factor(right);
  const bool is_batched = are_our_batches(a, b);
  if (!is_batched && (!are_ours(a, b) || a.dim() != 2 || a.size(1) != b.size(0))) return at::matmul(a, b);
  const WithoutAutocast plain(autocast_keys);
  if (is_batched) return batched_product(widened(a), widened(b)).to(a.scalar_type());
  return Product::apply(a, b, std::nullopt);
}

at::Tensor ctorch::linear(const at::Tensor &input, const at::Tensor &weights, const at::Tensor &bias) {
  const at::Tensor x = factor(input), weight = factor(weights), narrow = factor(bias);
  const std::optional<at::Tensor> added = narrow.defined() ? std::optional(narrow) : std::nullopt;
  const bool fits = are_ours(x, weight) && x.dim() >= 2 && x.size(-1) == weight.size(1) &&
                    (!added || (added->dim() == 1 && added->size(0) == weight.size(0) &&
                                added->scalar_type() == x.scalar_type()));
  if (!fits) return at::linear(x, weight, added);
  const WithoutAutocast plain(autocast_keys);
  const at::Tensor y = Product::apply(x.reshape({-1, x.size(-1)}), weight.t(), added);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  return y.view(shape);
}
