// One call per step, not one per parameter.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// x ← x + weight·(target − x) for every pair.
ct_status ct_foreach_lerp_(ct_tensor *const *x, const ct_tensor *const *target, size_t count, double weight);

/// SGD with momentum and coupled weight decay, fused. On the first step the momentum buffers are set, not
/// moved, as PyTorch does.
ct_status ct_fused_sgd_(ct_tensor *const *parameters, const ct_tensor *const *gradients,
                        ct_tensor *const *momenta, size_t count, double lr, double momentum,
                        double weight_decay, bool first_step);

#ifdef __cplusplus
}
#endif
