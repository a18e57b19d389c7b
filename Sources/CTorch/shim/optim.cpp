#include "shim/shim.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

using namespace ctorch;

ct_status ct_foreach_lerp_(ct_tensor *const *x, const ct_tensor *const *target, size_t count, double weight) {
  return guarded([&] {
    const auto targets = list(target, count);
    at::_foreach_lerp_(list(x, count), targets, at::Scalar(weight));
  });
}

namespace {
/// The fused kernel walks raw memory: element i of one must be element i of the other.
void check_same_memory_order(const at::Tensor &a, const at::Tensor &parameter) {
  bool same = a.sizes() == parameter.sizes();
  for (int64_t d = 0; same && d < a.dim(); ++d) same = a.size(d) == 1 || a.stride(d) == parameter.stride(d);
  TORCH_CHECK(same, "a parameter of shape ", parameter.sizes(), " and strides ", parameter.strides(),
              " cannot be moved by one of shape ", a.sizes(), " and strides ", a.strides());
}
}  // namespace

ct_status ct_fused_sgd_(ct_tensor *const *parameters, const ct_tensor *const *gradients,
                        ct_tensor *const *momenta, size_t count, double lr, double momentum,
                        double weight_decay, bool first_step) {
  return guarded([&] {
    for (size_t i = 0; i < count; ++i) {
      check_same_memory_order(unwrap(gradients[i]), unwrap(parameters[i]));
      check_same_memory_order(unwrap(momenta[i]), unwrap(parameters[i]));
    }
    // Without momentum LibTorch takes no buffers.
    at::_fused_sgd_(list(parameters, count), list(gradients, count), list(momenta, momentum == 0 ? 0 : count),
                    weight_decay, momentum, lr, /*dampening=*/0.0, /*nesterov=*/false, /*maximize=*/false,
                    first_step);
  });
}

ct_status ct_foreach_lars_(ct_tensor *const *parameters, ct_tensor *const *gradients,
                           ct_tensor *const *momenta, size_t count, double lr, double momentum,
                           double weight_decay, double trust) {
  return guarded([&] {
    const auto weights = list(parameters, count), grads = list(gradients, count),
               velocities = list(momenta, count);
    std::vector<at::Tensor> scaled, their_grads;  // the matrices and kernels
    for (size_t i = 0; i < count; ++i) {
      if (weights[i].dim() <= 1) continue;
      scaled.push_back(weights[i]);
      their_grads.push_back(grads[i]);
    }
    if (!scaled.empty()) {
      at::_foreach_add_(their_grads, scaled, weight_decay);
      const at::Tensor w = at::stack(at::_foreach_norm(scaled)),
                       g = at::stack(at::_foreach_norm(their_grads));
      const at::Tensor ratio = at::where((w > 0).logical_and(g > 0), trust * w / g, at::ones_like(w));
      at::_foreach_mul_(their_grads, ratio.unbind());
    }
    at::_foreach_mul_(velocities, at::Scalar(momentum));
    at::_foreach_add_(velocities, grads, at::Scalar(1));
    at::_foreach_add_(weights, velocities, at::Scalar(-lr));
  });
}

ct_status ct_fused_adamw_(ct_tensor *const *parameters, const ct_tensor *const *gradients,
                          ct_tensor *const *means, ct_tensor *const *squares, size_t count, int64_t step,
                          double lr, double beta1, double beta2, double weight_decay, double eps) {
  return guarded([&] {
    for (size_t i = 0; i < count; ++i) {
      check_same_memory_order(unwrap(gradients[i]), unwrap(parameters[i]));
      check_same_memory_order(unwrap(means[i]), unwrap(parameters[i]));
      check_same_memory_order(unwrap(squares[i]), unwrap(parameters[i]));
    }
    const auto weights = list(parameters, count);
    const auto options = at::TensorOptions(at::kFloat).device(weights.front().device());
    const std::vector<at::Tensor> steps(count, at::full({}, static_cast<double>(step), options));
    at::_fused_adamw_(weights, list(gradients, count), list(means, count), list(squares, count), {}, steps,
                      lr, beta1, beta2, weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false);
  });
}
