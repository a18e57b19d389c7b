// Gradients.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

ct_status ct_set_requires_grad(ct_tensor *x, bool value);
bool ct_requires_grad(const ct_tensor *x);
ct_status ct_detach(ct_tensor **out, const ct_tensor *x);
/// Runs backward from a scalar.
ct_status ct_backward(const ct_tensor *loss);
/// NULL in `out` where there is none.
ct_status ct_grad(ct_tensor **out, const ct_tensor *x);
/// NULL clears it.
ct_status ct_set_grad(ct_tensor *x, const ct_tensor *gradient);

/// Gradient mode of this thread; returns what it was.
bool ct_grad_mode_set(bool enabled);

/// Makes the matrix products and convolutions of this thread on the device's kind compute in bfloat16, or
/// not; `before` is the previous setting. Copies of the weights in bfloat16 are kept from `begin` to the
/// outermost `end`.
ct_status ct_autocast_begin(ct_device where, bool enabled, bool *before);
ct_status ct_autocast_end(ct_device where, bool before);

#ifdef __cplusplus
}
#endif
