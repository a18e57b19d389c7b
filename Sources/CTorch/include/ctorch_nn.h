// Layers of networks.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Along the height and along the width.
typedef struct {
  int64_t height, width;
} ct_pair;

/// `bias` may be NULL.
ct_status ct_conv2d(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias,
                    ct_pair stride, ct_pair padding, ct_pair dilation, int64_t groups);
/// The transposed convolution, of `weight` C×D×height×width.
ct_status ct_conv_transpose2d(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight,
                              const ct_tensor *bias, ct_pair stride, ct_pair padding);
ct_status ct_linear(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias);
/// In training the batch's statistics are used and the running ones moved, in place, by `momentum`.
ct_status ct_batch_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias,
                        ct_tensor *running_mean, ct_tensor *running_var, bool training, double momentum,
                        double eps);
/// Training-mode batch normalisation in groups (group j: the samples with index ≡ j mod `groups`), followed
/// by a ReLU if `relu`, and before that by the sum with `shortcut`, which may be NULL and needs the ReLU. The
/// running statistics move by the mean over the groups.
ct_status ct_split_batch_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *shortcut,
                              const ct_tensor *weight, const ct_tensor *bias, ct_tensor *running_mean,
                              ct_tensor *running_var, int64_t groups, double momentum, double eps, bool relu);
/// Over the last dimension.
ct_status ct_layer_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *weight, const ct_tensor *bias,
                        double eps);
/// x·Φ(x), exactly.
ct_status ct_gelu(ct_tensor **out, const ct_tensor *x);
/// softmax(q·kᵀ/√D)·v of N×H×L×D each.
ct_status ct_attention(ct_tensor **out, const ct_tensor *q, const ct_tensor *k, const ct_tensor *v);
ct_status ct_relu(ct_tensor **out, const ct_tensor *x);
ct_status ct_relu_(ct_tensor *x);
ct_status ct_max_pool2d(ct_tensor **out, const ct_tensor *x, int64_t kernel, int64_t stride, int64_t padding);
/// Mean over height and width: N×C×H×W → N×C.
ct_status ct_global_avg_pool2d(ct_tensor **out, const ct_tensor *x);
/// Mean over the batch of −log softmax(logits)[target]; `target` is int64.
ct_status ct_cross_entropy(ct_tensor **out, const ct_tensor *logits, const ct_tensor *target);
ct_status ct_softmax(ct_tensor **out, const ct_tensor *x, int64_t dim);
ct_status ct_log_softmax(ct_tensor **out, const ct_tensor *x, int64_t dim);
/// The sum of −t·log σ(x) − (1 − t)·log(1 − σ(x)).
ct_status ct_bce_with_logits(ct_tensor **out, const ct_tensor *x, const ct_tensor *target);
/// The sum of d²/2β where d = |x − t| < β, else of d − β/2.
ct_status ct_smooth_l1(ct_tensor **out, const ct_tensor *x, const ct_tensor *target, double beta);
/// x / max(‖x‖₂, eps) along `dim`, in float32 where `x` has fewer bits.
ct_status ct_normalize(ct_tensor **out, const ct_tensor *x, int64_t dim, double eps);
/// Antialiased bilinear resize of N×C×H×W, half-pixel centres (Pillow's).
ct_status ct_resize_bilinear_aa(ct_tensor **out, const ct_tensor *x, int64_t height, int64_t width);
/// The same by cubic convolution with a = -0.5.
ct_status ct_resize_bicubic_aa(ct_tensor **out, const ct_tensor *x, int64_t height, int64_t width);

typedef enum ct_upsampling {
  CT_NEAREST,
  CT_BILINEAR,
  CT_BILINEAR_ALIGNED,  // the corners' centres stay in place
  CT_BICUBIC            // a = -0.75
} ct_upsampling;
/// Interpolation of N×C×H×W without antialiasing.
ct_status ct_interpolate(ct_tensor **out, const ct_tensor *x, int64_t height, int64_t width,
                         ct_upsampling mode);

#ifdef __cplusplus
}
#endif
