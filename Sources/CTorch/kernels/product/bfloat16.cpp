#include "kernels/product/bfloat16.h"

#include "kernels/simd.h"

#include <ATen/Version.h>
#include <ATen/autocast_mode.h>

#include <string>

bool ctorch::widens_bfloat16() {
#ifdef CT_X86_LINUX
  // With AVX-512, oneDNN has bfloat16 of its own.
  static const bool value = at::get_cpu_capability() != std::string("AVX512");
  return value;
#else
  return false;
#endif
}

bool ctorch::leaves_products_to_autocast() {
  return at::autocast::is_autocast_enabled(at::kCPU) && !widens_bfloat16();
}

at::Tensor ctorch::factor(const at::Tensor &x) {
  if (!x.defined() || !x.is_cpu() || !at::autocast::is_autocast_enabled(at::kCPU) || !widens_bfloat16())
    return x;
  return at::autocast::cached_cast(at::autocast::get_autocast_dtype(at::kCPU), x, at::kCPU);
}

at::Tensor ctorch::widened(const at::Tensor &x) {
  return x.defined() && x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x;
}
