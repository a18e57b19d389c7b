// The element type of a tensor as one of C++.
#pragma once

#include <ATen/core/Tensor.h>

namespace ctorch {

/// Calls body(T()) with the element type of x: double, or float.
template <class Body>
auto with_element(const at::Tensor &x, Body &&body) {
  return x.scalar_type() == at::kDouble ? body(double()) : body(float());
}

}  // namespace ctorch
