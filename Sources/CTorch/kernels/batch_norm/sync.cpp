#include "kernels/batch_norm/sync.h"

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
  at::Tensor mean, squares;  // squares: sum of squared distances from the mean
  double count;
};

/// Each rank's mean and squared distances, merged as Chan, Golub and LeVeque (1979) do, which loses no digits
/// where the mean is far from 0. The ranks' batches must be of one size.
Statistics statistics(const at::Tensor &x, c10d::ProcessGroup &group) {
  const int64_t channels = x.size(1), ranks = group.getSize();
  const at::Tensor mean = x.mean(samples(x));  // C
  const at::Tensor squares = (x - beside(mean, x)).square().sum(samples(x));
  const double count = double(x.numel() / channels);
  at::Tensor own = at::cat({mean, squares}).unsqueeze(0);  // 1×2C
  at::Tensor all = at::empty({ranks, own.size(1)}, own.options());
  group._allgather_base(all, own)->wait();
  const at::Tensor means = all.narrow(1, 0, channels);  // W×C
  const at::Tensor merged = means.mean(0);
  const at::Tensor apart = (means - merged).square().sum(0) * count;
  return {merged, all.narrow(1, channels, channels).sum(0) + apart, count * double(ranks)};
}

struct SyncBatchNorm : torch::autograd::Function<SyncBatchNorm> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x,
                            const std::optional<at::Tensor> &weight, const std::optional<at::Tensor> &bias,
                            at::Tensor running_mean, at::Tensor running_var, double momentum, double eps,
                            const Group &group) {
    const Statistics stats = statistics(x, *group);
    running_mean.lerp_(stats.mean.to(running_mean.scalar_type()), momentum);
    running_var.lerp_((stats.squares / (stats.count - 1)).to(running_var.scalar_type()), momentum);
    const at::Tensor inverse = (stats.squares / stats.count + eps).rsqrt();
    context->save_for_backward({x, weight.value_or(at::Tensor()), stats.mean, inverse});
    context->saved_data["group"] = group;
    context->saved_data["count"] = stats.count;
    const at::Tensor normal = (x - beside(stats.mean, x)) * beside(inverse, x);
    return weight ? normal * beside(*weight, x) + beside(*bias, x) : normal;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3],
                     &dy = gradients[0];
    const auto group = context->saved_data["group"].toCustomClass<c10d::ProcessGroup>();
    const double count = context->saved_data["count"].toDouble();
    const at::Tensor normal = (x - beside(mean, x)) * beside(inverse, x);
    const at::Tensor bias_gradient = dy.sum(samples(x)), weight_gradient = (dy * normal).sum(samples(x));
    std::vector<at::Tensor> sums{at::stack({bias_gradient, weight_gradient})};  // 2×C
    group->allreduce(sums)->wait();
    const at::Tensor scale = weight.defined() ? inverse * weight : inverse;
    const at::Tensor dx =
        beside(scale, x) * (dy - beside(sums[0][0] / count, x) - normal * beside(sums[0][1] / count, x));
    if (!weight.defined()) return {dx, {}, {}, {}, {}, {}, {}, {}};
    return {dx, weight_gradient, bias_gradient, {}, {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor ctorch::sync_batch_norm(const at::Tensor &x, const BatchNorm &norm, const Group &group) {
  TORCH_CHECK(x.dim() == 4 || x.dim() == 2, "batch normalisation takes N×C×H×W or N×C, not ", x.sizes());
  const auto optional = [](const at::Tensor &one) {
    return one.defined() ? std::optional<at::Tensor>(one) : std::nullopt;
  };
  // Statistics of numbers with 8 bits of mantissa need more than these.
  const at::Tensor wide = at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
  return SyncBatchNorm::apply(wide, optional(norm.weight), optional(norm.bias), norm.running_mean,
                              norm.running_var, norm.momentum, norm.eps, group)
      .to(x.scalar_type());
}
