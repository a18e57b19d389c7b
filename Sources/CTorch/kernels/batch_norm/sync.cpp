#include "kernels/batch_norm/sync.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

using Group = c10::intrusive_ptr<c10d::ProcessGroup>;

/// All dimensions but the channels'.
std::vector<int64_t> samples(const at::Tensor &x) {
  std::vector<int64_t> dims{0};
  for (int64_t i = 2; i < x.dim(); ++i) dims.push_back(i);
  return dims;
}

/// One number a channel, shaped so that it broadcasts over x.
at::Tensor beside(const at::Tensor &channels, const at::Tensor &x) {
  std::vector<int64_t> shape(x.dim(), 1);
  shape[1] = -1;
  return channels.view(shape);
}

struct Statistics {
  at::Tensor mean, variance;  // C; of the values of all ranks, biased
  /// Values of a channel in all ranks, 1 number; with equal weights as many as if all ranks had this one's.
  at::Tensor count;
};

/// Each rank's mean and variance, merged as Chan, Golub and LeVeque (1979) do, which loses no digits where
/// the mean is far from 0. A rank has a weight by its values, of which it may have none, or all have the
/// same.
Statistics statistics(const at::Tensor &x, c10d::ProcessGroup &group, bool weighs_ranks_equally) {
  const int64_t channels = x.size(1), ranks = group.getSize(), own_count = x.numel() / channels;
  TORCH_CHECK(own_count > 0 || !weighs_ranks_equally,
              "a rank without values has no mean that could have a weight");
  const bool is_empty = own_count == 0;
  const at::Tensor mean = is_empty ? at::zeros({channels}, x.options()) : x.mean(samples(x));  // C
  const at::Tensor variance =
      is_empty ? at::zeros({channels}, x.options()) : (x - beside(mean, x)).square().mean(samples(x));
  // In two parts, each of which float32 holds exactly.
  const at::Tensor parts =
      at::tensor({double(own_count >> 20), double(own_count & 0xFFFFF)}, x.options().device(at::kCPU));
  at::Tensor own = at::cat({mean, variance, parts.to(x.device())}).unsqueeze(0);  // 1×(2C+2)
  at::Tensor all = at::empty({ranks, own.size(1)}, own.options());
  group._allgather_base(all, own)->wait();
  const at::Tensor counts =
      all.narrow(1, 2 * channels, 1) * double(1 << 20) + all.narrow(1, 2 * channels + 1, 1);  // W×1
  const at::Tensor total =
      weighs_ranks_equally ? at::full({1}, double(own_count * ranks), x.options()) : counts.sum(0);
  const at::Tensor shares =
      weighs_ranks_equally ? at::full({ranks, 1}, 1.0 / double(ranks), x.options()) : counts / total;  // W×1
  const at::Tensor means = all.narrow(1, 0, channels);                                                 // W×C
  const at::Tensor merged = (means * shares).sum(0);
  const at::Tensor spread = all.narrow(1, channels, channels) + (means - merged).square();  // W×C
  return {merged, (spread * shares).sum(0), total};
}

struct SyncBatchNorm : torch::autograd::Function<SyncBatchNorm> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x,
                            const std::optional<at::Tensor> &weight, const std::optional<at::Tensor> &bias,
                            at::Tensor running_mean, at::Tensor running_var, double momentum, double eps,
                            bool weighs_ranks_equally, const Group &group) {
    const Statistics stats = statistics(x, *group, weighs_ranks_equally);
    const at::Tensor running =
        weighs_ranks_equally ? stats.variance : stats.variance * (stats.count / (stats.count - 1));
    running_mean.lerp_(stats.mean.to(running_mean.scalar_type()), momentum);
    running_var.lerp_(running.to(running_var.scalar_type()), momentum);
    const at::Tensor inverse = (stats.variance + eps).rsqrt();
    context->save_for_backward({x, weight.value_or(at::Tensor()), stats.mean, inverse, stats.count});
    context->saved_data["group"] = group;
    const at::Tensor normal = (x - beside(stats.mean, x)) * beside(inverse, x);
    return weight ? normal * beside(*weight, x) + beside(*bias, x) : normal;
  }

  /// dx = w/σ · (dy − Σ dy / n − x̂ · Σ dy x̂ / n), sums over all ranks; with equal weights n is this rank's
  /// number of values times the ranks.
  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3],
                     &count = saved[4], &dy = gradients[0];
    const auto group = context->saved_data["group"].toCustomClass<c10d::ProcessGroup>();
    const at::Tensor normal = (x - beside(mean, x)) * beside(inverse, x);
    const at::Tensor bias_gradient = dy.sum(samples(x)), weight_gradient = (dy * normal).sum(samples(x));
    std::vector<at::Tensor> sums{at::stack({bias_gradient, weight_gradient})};  // 2×C
    group->allreduce(sums)->wait();
    const at::Tensor scale = weight.defined() ? inverse * weight : inverse;
    const at::Tensor dx =
        beside(scale, x) * (dy - beside(sums[0][0] / count, x) - normal * beside(sums[0][1] / count, x));
    if (!weight.defined()) return {dx, {}, {}, {}, {}, {}, {}, {}, {}};
    return {dx, weight_gradient, bias_gradient, {}, {}, {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor ctorch::sync_batch_norm(const at::Tensor &x, const BatchNorm &norm, bool weighs_ranks_equally,
                                   const Group &group) {
  TORCH_CHECK(x.dim() == 4 || x.dim() == 2, "batch normalisation takes N×C×H×W or N×C, not ", x.sizes());
  const auto optional = [](const at::Tensor &one) {
    return one.defined() ? std::optional<at::Tensor>(one) : std::nullopt;
  };
  // Statistics of numbers with 8 bits of mantissa need more than these.
  const at::Tensor wide = at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
  return SyncBatchNorm::apply(wide, optional(norm.weight), optional(norm.bias), norm.running_mean,
                              norm.running_var, norm.momentum, norm.eps, weighs_ranks_equally, group)
      .to(x.scalar_type());
}
