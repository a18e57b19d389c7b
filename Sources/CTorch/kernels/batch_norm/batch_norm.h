// Training-mode batch normalisation of tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace ctorch {

/// Affine parameters, and the running statistics, which move by `momentum`.
struct BatchNorm {
  at::Tensor weight, bias, running_mean, running_var;  // C each
  double momentum, eps;
};

/// In groups (group j: the samples with index ≡ j mod `groups`), with the sum with `shortcut`, if there is
/// one, and a ReLU, if asked for, behind it; bfloat16 with parameters and statistics of float32. The running
/// statistics move by the mean over the groups.
at::Tensor grouped_batch_norm(const at::Tensor &x, const std::optional<at::Tensor> &shortcut,
                              const BatchNorm &norm, int64_t groups, bool relu);

/// A ReLU's output as it can be computed again, so that the layer behind it need not keep it.
struct Activation {
  at::Tensor x, scale, shift;  // N×C×H×W; groups×C each

  /// max(0, scale·x + shift), the same bits as the first time.
  at::Tensor again() const;
};

/// That of `y`, if a graph is recorded, `grouped_batch_norm` made it on a CPU with a ReLU and without a
/// shortcut, and nothing has changed it since. An error if the graph behind it is gone: its gradient would be
/// one.
std::optional<Activation> activation(const at::Tensor &y);

/// `grouped_batch_norm` by ATen's operations, for other devices and types; the reference of the kernel.
at::Tensor grouped_batch_norm_reference(const at::Tensor &x, const std::optional<at::Tensor> &shortcut,
                                        const BatchNorm &norm, int64_t groups, bool relu);

}  // namespace ctorch
