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

/// LARS on parameters and the gradients of the same place, which are overwritten: of parameters with more
/// than one dimension g ← trust·‖w‖/‖g'‖·g' with g' = g + weight_decay·w (without the factor where a norm is
/// 0); then v ← momentum·v + g; w ← w − lr·v.
ct_status ct_foreach_lars_(ct_tensor *const *parameters, ct_tensor *const *gradients,
                           ct_tensor *const *momenta, size_t count, double lr, double momentum,
                           double weight_decay, double trust);

/// AdamW with decoupled weight decay, fused. `step` counts from 1 and corrects the moments' bias.
ct_status ct_fused_adamw_(ct_tensor *const *parameters, const ct_tensor *const *gradients,
                          ct_tensor *const *means, ct_tensor *const *squares, size_t count, int64_t step,
                          double lr, double beta1, double beta2, double weight_decay, double eps);

#ifdef __cplusplus
}
#endif
