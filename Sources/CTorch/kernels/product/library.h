// The kernels that multiply matrices of float32 on a CPU (docs/decisions/0031).
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace ctorch {

/// `blas` is LibTorch's own: MKL on x86-64. `own` is the kernel of packed.h for products that it takes, and
/// `blas` for the others.
enum class ProductLibrary { blas, onednn, own };

/// The faster one on a processor of this maker, as it names itself, with vectors of this width, as LibTorch
/// names it.
ProductLibrary faster_library(std::string_view maker, std::string_view width);

/// Whether this LibTorch and this processor have it.
bool has(ProductLibrary library);

/// The library of the products that begin on this thread: at first the faster one on this processor.
ProductLibrary &product_library();

/// c = a·b, or c + a·b if it `adds`, of matrices of any strides: a block of a product. oneDNN multiplies
/// those of float32 that are large enough for it, and LibTorch's BLAS the rest.
void multiply(ProductLibrary library, at::Tensor c, const at::Tensor &a, const at::Tensor &b,
              bool adds = false);

}  // namespace ctorch
