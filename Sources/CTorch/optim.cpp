#include "shim.h"

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
} // namespace

ct_status ct_fused_sgd_(ct_tensor *const *parameters, const ct_tensor *const *gradients,
                        ct_tensor *const *momenta, size_t count, double lr, double momentum,
                        double weight_decay, bool first_step) {
  return guarded([&] {
    for (size_t i = 0; i < count; ++i) {
      check_same_memory_order(unwrap(gradients[i]), unwrap(parameters[i]));
      check_same_memory_order(unwrap(momenta[i]), unwrap(parameters[i]));
    }
    at::_fused_sgd_(list(parameters, count), list(gradients, count), list(momenta, count), weight_decay,
                    momentum, lr, /*dampening=*/0.0, /*nesterov=*/false, /*maximize=*/false, first_step);
  });
}
