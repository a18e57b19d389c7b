#include "shim.h"

using namespace ctorch;

ct_status ct_foreach_lerp_(ct_tensor *const *x, const ct_tensor *const *target, size_t count, double weight) {
  return guarded([&] {
    const auto targets = list(target, count);
    at::_foreach_lerp_(list(x, count), targets, at::Scalar(weight));
  });
}

ct_status ct_fused_sgd_(ct_tensor *const *parameters, const ct_tensor *const *gradients,
                        ct_tensor *const *momenta, size_t count, double lr, double momentum,
                        double weight_decay, bool first_step) {
  return guarded([&] {
    at::_fused_sgd_(list(parameters, count), list(gradients, count), list(momenta, count), weight_decay,
                    momentum, lr, /*dampening=*/0.0, /*nesterov=*/false, /*maximize=*/false, first_step);
  });
}
