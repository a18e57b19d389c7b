#include "shim/shim.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>

using namespace ctorch;

ct_status ct_set_requires_grad(ct_tensor *x, bool value) {
  return guarded([&] { x->value.set_requires_grad(value); });
}

bool ct_requires_grad(const ct_tensor *x) { return x->value.requires_grad(); }

ct_status ct_detach(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return unwrap(x).detach(); });
}

ct_status ct_backward(const ct_tensor *loss) {
  return guarded([&] { unwrap(loss).backward(); });
}

ct_status ct_grad(ct_tensor **out, const ct_tensor *x) {
  *out = nullptr;
  return guarded([&] {
    const at::Tensor &gradient = unwrap(x).grad();
    if (gradient.defined()) *out = wrap(gradient);
  });
}

ct_status ct_set_grad(ct_tensor *x, const ct_tensor *gradient) {
  return guarded([&] { x->value.mutable_grad() = gradient ? unwrap(gradient) : at::Tensor(); });
}

bool ct_grad_mode_set(bool enabled) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(enabled);
  return before;
}

ct_status ct_autocast_begin(ct_device where, bool enabled, bool *before) {
  return guarded([&] {
    const at::DeviceType kind = device(where).type();
    *before = at::autocast::is_autocast_enabled(kind);
    at::autocast::set_autocast_dtype(kind, at::kBFloat16);
    at::autocast::set_autocast_enabled(kind, enabled);
    at::autocast::increment_nesting();
  });
}

ct_status ct_autocast_end(ct_device where, bool before) {
  return guarded([&] {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device(where).type(), before);
  });
}
