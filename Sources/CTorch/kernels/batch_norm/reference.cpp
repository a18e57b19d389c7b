#include "kernels/batch_norm/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros_like.h>

at::Tensor ctorch::grouped_batch_norm_reference(const at::Tensor &x,
                                                const std::optional<at::Tensor> &shortcut,
                                                const BatchNorm &norm, int64_t groups, bool relu) {
  if (groups == 1) {
    at::Tensor y = at::batch_norm(x, norm.weight, norm.bias, norm.running_mean, norm.running_var,
                                  /*training=*/true, norm.momentum, norm.eps, /*cudnn_enabled=*/true);
    if (shortcut) y += *shortcut;
    return relu ? at::relu_(y) : y;
  }
  // The groups become channels of a smaller batch.
  const int64_t n = x.size(0), channels = x.size(1);
  const at::Tensor split = x.reshape({n / groups, groups * channels, x.size(2), x.size(3)});
  const at::Tensor mean = at::zeros_like(norm.running_mean).repeat(groups), var = at::zeros_like(mean);
  // Momentum 1 leaves the batch's own statistics in the buffers.
  at::Tensor y = at::batch_norm(split, norm.weight.repeat(groups), norm.bias.repeat(groups), mean, var,
                                /*training=*/true, /*momentum=*/1.0, norm.eps, /*cudnn_enabled=*/true)
                     .reshape(x.sizes());
  norm.running_mean.lerp_(mean.view({groups, channels}).mean(0), norm.momentum);
  norm.running_var.lerp_(var.view({groups, channels}).mean(0), norm.momentum);
  if (shortcut) y = y + *shortcut;
  if (relu) y = at::relu(y);
  return y.contiguous(x.suggest_memory_format());
}
