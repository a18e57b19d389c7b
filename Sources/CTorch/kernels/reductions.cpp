#include "kernels/reductions.h"

#include "kernels/parallel.h"
#include "kernels/simd.h"

#include <ATen/TensorOperators.h>
#include <ATen/WrapDimUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

static CT_WIDE void add_wide(const float *from, float *to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

void ctorch::add(const float *from, float *to, int64_t count) { add_wide(from, to, count); }

/// LibTorch adds up a large tensor in as many parts as it has threads; sums that are many of their own, and
/// small ones, it takes one by one.
static at::Tensor sum_of_all(const at::Tensor &x) {
  constexpr int64_t part = 1 << 14;
  if (x.numel() < 2 * part) return at::sum(x);
  const at::Tensor flat = x.reshape({-1});
  const int64_t parts = x.numel() / part, rest = x.numel() % part;
  const at::Tensor sums = flat.narrow(0, 0, parts * part).view({parts, part}).sum(1);
  return rest == 0 ? sums.sum() : sums.sum() + flat.narrow(0, parts * part, rest).sum();
}

/// Whether LibTorch's own would depend on the number of threads: nothing but one number is left. float16's
/// sums overflow before they are divided, and integers have rules of their own.
static bool is_ours(const at::Tensor &x, at::IntArrayRef dims) {
  if (!x.is_cpu() || (x.scalar_type() != at::kFloat && x.scalar_type() != at::kDouble)) return false;
  std::vector<int64_t> left = x.sizes().vec();
  for (const int64_t dim : dims) left[at::maybe_wrap_dim(dim, x.dim())] = 1;
  return dims.empty() || std::all_of(left.begin(), left.end(), [](int64_t size) { return size == 1; });
}

at::Tensor ctorch::sum(const at::Tensor &x, at::IntArrayRef dims, bool keep) {
  if (!is_ours(x, dims)) return at::sum(x, dims, keep);
  const auto reduced = dims.empty() ? x.dim() : static_cast<int64_t>(dims.size());
  return sum_of_all(x).reshape(std::vector<int64_t>(keep ? x.dim() : x.dim() - reduced, 1));
}

at::Tensor ctorch::mean(const at::Tensor &x, at::IntArrayRef dims, bool keep) {
  if (!is_ours(x, dims) || x.numel() < 1) return at::mean(x, dims, keep);
  return ctorch::sum(x, dims, keep) / x.numel();
}

namespace {

/// LibTorch's, with its gradient taken in blocks of rows.
struct LayerNorm : torch::autograd::Function<LayerNorm> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &weight,
                            const at::Tensor &bias, double eps) {
    const at::Tensor x = input.contiguous();
    const auto [y, mean, inverse] = at::native_layer_norm(x, weight.sizes(), weight, bias, eps);
    context->save_for_backward({x, weight, bias, mean, inverse});
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a layer norm's gradient has no gradient of its own here");
    const variable_list saved = context->get_saved_variables();
    const int64_t size = saved[0].size(-1), rows = saved[0].numel() / size;
    const at::Tensor x = saved[0].view({rows, size}), &weight = saved[1], &bias = saved[2],
                     mean = saved[3].view({rows, 1}), inverse = saved[4].view({rows, 1}),
                     dy = outputs[0].contiguous().view({rows, size});
    const int64_t block = std::max<int64_t>(64, ceil_div(rows, enough_blocks)),
                  blocks = ceil_div(rows, block);
    const at::Tensor dx = at::empty_like(x), dweights = at::empty({blocks, size}, x.options()),
                     dbiases = at::empty_like(dweights);
    for_each_in_parallel(blocks, [&](int64_t i) {
      const auto own = [&](const at::Tensor &all) {
        return all.narrow(0, i * block, std::min(block, rows - i * block));
      };
      const auto [by_x, by_weight, by_bias] = at::native_layer_norm_backward(
          own(dy), own(x), weight.sizes(), own(mean), own(inverse), weight, bias, {true, true, true});
      own(dx).copy_(by_x), dweights[i].copy_(by_weight), dbiases[i].copy_(by_bias);
    });
    return {dx.view(saved[0].sizes()), dweights.sum(0), dbiases.sum(0), {}};
  }
};

}  // namespace

at::Tensor ctorch::layer_norm(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                              double eps) {
  const bool is_ours = x.is_cpu() && weight.dim() == 1 && x.numel() > 0 &&
                       x.scalar_type() == weight.scalar_type() && x.is_floating_point();
  return is_ours ? LayerNorm::apply(x, weight, bias, eps)
                 : at::layer_norm(x, weight.sizes(), weight, bias, eps);
}
