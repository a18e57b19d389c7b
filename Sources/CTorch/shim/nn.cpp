#include "kernels/attention.h"
#include "kernels/batch_norm/batch_norm.h"
#include "kernels/convolution/convolution.h"
#include "kernels/convolution/transposed.h"
#include "kernels/pointwise.h"
#include "kernels/pooling.h"
#include "kernels/product/product.h"
#include "kernels/reductions.h"
#include "shim/shim.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/div.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/l1_loss.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/smooth_l1_loss.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros_like.h>

using namespace ctorch;

namespace {
std::optional<at::Tensor> optional(const ct_tensor *tensor) {
  return tensor ? std::optional<at::Tensor>(tensor->value) : std::nullopt;
}
/// Rows of numbers that the kernel of batch normalisation takes.
bool is_kernels(const at::Tensor &x) {
  return x.is_cpu() && x.dim() == 2 && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
}
}  // namespace

ct_status ct_conv2d(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias,
                    ct_pair stride, ct_pair padding, ct_pair dilation, int64_t groups) {
  return produce(out, [&] {
    return ctorch::convolution(unwrap(x), unwrap(weight), bias ? unwrap(bias) : at::Tensor(),
                               {{stride.height, stride.width},
                                {padding.height, padding.width},
                                {dilation.height, dilation.width},
                                groups});
  });
}

ct_status ct_conv_transpose2d(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight,
                              const ct_tensor *bias, ct_pair stride, ct_pair padding) {
  return produce(out, [&] {
    return ctorch::transposed_convolution(unwrap(x), unwrap(weight), bias ? unwrap(bias) : at::Tensor(),
                                          {stride.height, stride.width}, {padding.height, padding.width});
  });
}

ct_status ct_linear(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias) {
  return produce(
      out, [&] { return ctorch::linear(unwrap(x), unwrap(weight), bias ? unwrap(bias) : at::Tensor()); });
}

ct_status ct_batch_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias,
                        ct_tensor *running_mean, ct_tensor *running_var, bool training, double momentum,
                        double eps) {
  return produce(out, [&] {
    // Rows are images of one pixel: LibTorch's sums over them depend on the number of threads.
    if (training && is_kernels(unwrap(x)) && running_mean && running_var) {
      const at::Tensor like = unwrap(running_mean);
      const BatchNorm norm{weight ? unwrap(weight) : at::ones_like(like),
                           bias ? unwrap(bias) : at::zeros_like(like),
                           running_mean->value,
                           running_var->value,
                           momentum,
                           eps};
      return grouped_batch_norm(unwrap(x).unsqueeze(2).unsqueeze(3), std::nullopt, norm, 1, false)
          .view(unwrap(x).sizes());
    }
    return at::batch_norm(unwrap(x), optional(weight), optional(bias), optional(running_mean),
                          optional(running_var), training, momentum, eps, /*cudnn_enabled=*/true);
  });
}

ct_status ct_split_batch_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *shortcut,
                              const ct_tensor *weight, const ct_tensor *bias, ct_tensor *running_mean,
                              ct_tensor *running_var, int64_t groups, double momentum, double eps,
                              bool relu) {
  return produce(out, [&] {
    return grouped_batch_norm(
        unwrap(x), optional(shortcut),
        {unwrap(weight), unwrap(bias), running_mean->value, running_var->value, momentum, eps}, groups, relu);
  });
}

ct_status ct_layer_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias,
                        double eps) {
  return produce(out, [&] { return ctorch::layer_norm(unwrap(x), unwrap(weight), unwrap(bias), eps); });
}

ct_status ct_gelu(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return at::gelu(unwrap(x)); });
}

ct_status ct_attention(ct_tensor **out, const ct_tensor *q, const ct_tensor *k, const ct_tensor *v) {
  return produce(out, [&] { return ctorch::attention(unwrap(q), unwrap(k), unwrap(v)); });
}

ct_status ct_relu(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return at::relu(unwrap(x)); });
}

ct_status ct_relu_(ct_tensor *x) {
  return guarded([&] { at::relu_(x->value); });
}

ct_status ct_max_pool2d(ct_tensor **out, const ct_tensor *x, int64_t kernel, int64_t stride,
                        int64_t padding) {
  return produce(out, [&] { return ctorch::max_pool2d(unwrap(x), kernel, stride, padding); });
}

ct_status ct_global_avg_pool2d(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return at::mean(unwrap(x), {2, 3}); });
}

ct_status ct_cross_entropy(ct_tensor **out, const ct_tensor *logits, const ct_tensor *target) {
  return produce(out, [&] { return at::cross_entropy_loss(unwrap(logits), unwrap(target)); });
}

ct_status ct_softmax(ct_tensor **out, const ct_tensor *x, int64_t dim) {
  return produce(out, [&] { return at::softmax(unwrap(x), dim); });
}

ct_status ct_log_softmax(ct_tensor **out, const ct_tensor *x, int64_t dim) {
  return produce(out, [&] { return at::log_softmax(unwrap(x), dim); });
}

ct_status ct_bce_with_logits(ct_tensor **out, const ct_tensor *x, const ct_tensor *target) {
  return produce(out, [&] { return ctorch::bce_with_logits(unwrap(x), unwrap(target)); });
}

ct_status ct_smooth_l1(ct_tensor **out, const ct_tensor *x, const ct_tensor *target, double beta) {
  return produce(out, [&] {
    const at::Tensor losses = beta > 0
                                  ? at::smooth_l1_loss(unwrap(x), unwrap(target), at::Reduction::None, beta)
                                  : at::l1_loss(unwrap(x), unwrap(target), at::Reduction::None);
    return ctorch::sum(losses, {}, false);
  });
}

ct_status ct_normalize(ct_tensor **out, const ct_tensor *x, int64_t dim, double eps) {
  return produce(out, [&] {
    const bool is_reduced = at::isReducedFloatingType(unwrap(x).scalar_type());
    const at::Tensor wide = is_reduced ? unwrap(x).to(at::kFloat) : unwrap(x);
    const at::Tensor norm = at::linalg_vector_norm(wide, 2, at::IntArrayRef{dim}, true);
    return at::div(wide, norm.clamp_min(eps));
  });
}

ct_status ct_resize_bilinear_aa(ct_tensor **out, const ct_tensor *x, int64_t height, int64_t width) {
  return produce(out, [&] {
    return at::_upsample_bilinear2d_aa(unwrap(x), {height, width}, /*align_corners=*/false);
  });
}

ct_status ct_resize_bicubic_aa(ct_tensor **out, const ct_tensor *x, int64_t height, int64_t width) {
  return produce(out, [&] {
    return at::_upsample_bicubic2d_aa(unwrap(x), {height, width}, /*align_corners=*/false);
  });
}

ct_status ct_interpolate(ct_tensor **out, const ct_tensor *x, int64_t height, int64_t width,
                         ct_upsampling mode) {
  return produce(out, [&] {
    const at::Tensor from = unwrap(x);
    switch (mode) {
      case CT_NEAREST: return at::upsample_nearest2d(from, {height, width});
      case CT_BILINEAR: return at::upsample_bilinear2d(from, {height, width}, /*align_corners=*/false);
      case CT_BILINEAR_ALIGNED: return at::upsample_bilinear2d(from, {height, width}, true);
      case CT_BICUBIC: return at::upsample_bicubic2d(from, {height, width}, /*align_corners=*/false);
    }
    TORCH_CHECK(false, "unknown interpolation ", static_cast<int>(mode));
  });
}
