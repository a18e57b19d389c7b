// oneDNN has its own kernels for every processor; MKL takes those for AVX2 on AMD's, whatever vectors these
// have.
#include "kernels/product/library.h"

#include "kernels/product/packed.h"
#include "kernels/simd.h"

#include <ATen/Version.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <string>
#ifdef CT_X86_LINUX
#include <cpuid.h>
#endif

namespace ctorch {

namespace {

/// A call of oneDNN takes some 20 µs more than one of MKL, which is about what it saves in a block of so many
/// products of two numbers. Thin matrices are left to MKL too.
constexpr int64_t least_work = 1 << 21, least_side = 16;

std::string maker() {
#ifdef CT_X86_LINUX
  unsigned most, name[3];
  if (__get_cpuid(0, &most, &name[0], &name[2], &name[1]))
    return {reinterpret_cast<const char *>(name), sizeof(name)};
#endif
  return {};
}

/// Rows or columns that lie one after another: for others oneDNN has only a loop that is a thousand times
/// slower.
at::Tensor without_gaps(const at::Tensor &x) {
  if (x.is_contiguous() || x.t().is_contiguous()) return x;
  return x.stride(0) == 1 ? x.t().contiguous().t() : x.contiguous();
}

/// x·Wᵀ by oneDNN: an operation of LibTorch's compiler, which copies `x` unless it is contiguous.
at::Tensor onednn_linear(const at::Tensor &x, const at::Tensor &weight) {
  using Numbers = c10::List<std::optional<at::Scalar>>;
  using Linear = at::Tensor(const at::Tensor &, const at::Tensor &, const std::optional<at::Tensor> &,
                            std::string_view, Numbers, std::optional<std::string_view>);
  static const auto linear =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "").typed<Linear>();
  return linear.call(x, weight, std::nullopt, "none", Numbers(), std::nullopt);
}

bool is_worth_onednn(const at::Tensor &a, const at::Tensor &b) {
  const int64_t rows = a.size(0), depth = a.size(1), columns = b.size(1);
  return a.scalar_type() == at::kFloat && std::min({rows, depth, columns}) >= least_side &&
         rows * depth * columns >= least_work;
}

}  // namespace

ProductLibrary faster_library(std::string_view maker, std::string_view width) {
  if (maker != "AuthenticAMD") return ProductLibrary::blas;
  return width == "AVX512" ? ProductLibrary::onednn
         : width == "AVX2" ? ProductLibrary::own
                           : ProductLibrary::blas;
}

bool has(ProductLibrary library) {
  switch (library) {
    case ProductLibrary::blas: return true;
    case ProductLibrary::onednn: return at::hasMKLDNN();
    case ProductLibrary::own: return has_packed_product();
  }
  return false;
}

ProductLibrary &product_library() {
  static const ProductLibrary faster = faster_library(maker(), at::get_cpu_capability());
  thread_local ProductLibrary library = has(faster) ? faster : ProductLibrary::blas;
  return library;
}

void multiply(ProductLibrary library, at::Tensor c, const at::Tensor &a, const at::Tensor &b, bool adds) {
  if (library == ProductLibrary::onednn && is_worth_onednn(a, b)) {
    const at::Tensor product = onednn_linear(a, without_gaps(b).t());
    adds ? c.add_(product) : c.copy_(product);
  } else if (adds) {
    at::addmm_out(c, c, a, b);
  } else {
    at::mm_out(c, a, b);
  }
}

}  // namespace ctorch
