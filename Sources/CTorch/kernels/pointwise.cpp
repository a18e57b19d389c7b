#include "kernels/pointwise.h"

#include "kernels/parallel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sigmoid.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

/// LibTorch takes another exponential for the numbers at the end of a thread's part than for the others, so
/// the parts must be of a fixed size.
constexpr int64_t block = 1 << 14;

int64_t blocks(const at::Tensor &x) { return ceil_div(x.numel(), block); }

/// Block i of contiguous numbers.
at::Tensor part(const at::Tensor &x, int64_t i) {
  return x.view({-1}).narrow(0, i * block, std::min(block, x.numel() - i * block));
}

struct Sigmoid : torch::autograd::Function<Sigmoid> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input) {
    const at::Tensor x = input.contiguous(), y = at::empty_like(x);
    for_each_in_parallel(blocks(x), [&](int64_t i) {
      at::Tensor own = part(y, i);
      at::sigmoid_out(own, part(x, i));
    });
    context->save_for_backward({y});
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    const at::Tensor y = context->get_saved_variables()[0];
    return {outputs[0] * (y * (1 - y))};
  }
};

struct BinaryCrossEntropy : torch::autograd::Function<BinaryCrossEntropy> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &given) {
    const at::Tensor x = input.contiguous(), target = given.contiguous();
    const at::Tensor sums = at::empty({blocks(x)}, x.options());
    for_each_in_parallel(blocks(x), [&](int64_t i) {
      sums[i].copy_(
          at::binary_cross_entropy_with_logits(part(x, i), part(target, i), {}, {}, at::Reduction::Sum));
    });
    context->save_for_backward({x, target});
    return sums.sum();
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of this cross-entropy has no gradient");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &target = saved[1], dx = at::empty_like(x);
    for_each_in_parallel(blocks(x), [&](int64_t i) {
      at::Tensor own = part(dx, i);
      at::sigmoid_out(own, part(x, i)).sub_(part(target, i)).mul_(outputs[0]);
    });
    return {dx, {}};
  }
};

bool is_ours(const at::Tensor &x) {
  return x.is_cpu() && x.numel() > 0 && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
}

}  // namespace

at::Tensor ctorch::sigmoid(const at::Tensor &x) { return is_ours(x) ? Sigmoid::apply(x) : at::sigmoid(x); }

at::Tensor ctorch::pow(const at::Tensor &x, double exponent) {
  if (!is_ours(x) || x.requires_grad() || exponent == 2) return at::pow(x, exponent);
  const at::Tensor given = x.contiguous(), y = at::empty_like(given);
  for_each_in_parallel(blocks(given), [&](int64_t i) {
    at::Tensor own = part(y, i);
    at::pow_out(own, part(given, i), exponent);
  });
  return y;
}

at::Tensor ctorch::bce_with_logits(const at::Tensor &x, const at::Tensor &target) {
  TORCH_CHECK(x.sizes() == target.sizes(), "a cross-entropy of ", x.sizes(), " with targets ",
              target.sizes());
  if (is_ours(x) && target.scalar_type() == x.scalar_type() && !target.requires_grad())
    return BinaryCrossEntropy::apply(x, target);
  return at::binary_cross_entropy_with_logits(x, target, {}, {}, at::Reduction::Sum);
}
