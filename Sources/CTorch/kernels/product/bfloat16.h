// bfloat16 on a CPU without instructions for it: the factors are rounded, and float32's kernels multiply them
// (docs/decisions/0012).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace ctorch {

/// Whether this is such a CPU.
bool widens_bfloat16();

/// Whether products on this thread are LibTorch's alone: it rounds, and this CPU has instructions for it.
bool leaves_products_to_autocast();

/// `x` as automatic mixed precision has a factor on this thread; undefined, and `x` itself where it is off.
at::Tensor factor(const at::Tensor &x);

/// float32 for bfloat16; all else, undefined too, as it is.
at::Tensor widened(const at::Tensor &x);

/// Until its end, operations of this thread take numbers as they come.
using WithoutAutocast = c10::impl::ExcludeDispatchKeyGuard;
constexpr auto autocast_keys = c10::DispatchKey::AutocastCPU;

}  // namespace ctorch
