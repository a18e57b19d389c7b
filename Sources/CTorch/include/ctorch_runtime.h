// Threads, devices, random generators, versions.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

const char *ct_version(void);
/// "AVX2", "AVX512", "DEFAULT", …
const char *ct_cpu_capability(void);

/// The library, or the kernel of this package, that multiplies matrices of float32 on a CPU.
typedef enum ct_product_library {
  CT_PRODUCTS_BLAS,  // LibTorch's own
  CT_PRODUCTS_ONEDNN,
  CT_PRODUCTS_OWN  // this package's kernel
} ct_product_library;
/// Its name: "MKL", "oneDNN", "our kernel", … NULL if LibTorch was built without it or the processor lacks
/// its vectors.
const char *ct_product_library_name(ct_product_library library);
/// The faster one on a processor of this maker and vector width, as ct_cpu_capability names it.
ct_product_library ct_faster_product_library(const char *maker, const char *width);
/// That of the products that begin on the calling thread: at first the faster one on this processor.
ct_product_library ct_thread_product_library(void);
void ct_set_thread_product_library(ct_product_library library);

/// Intra-operation threads of the calling thread.
ct_status ct_set_threads(int count);
int ct_threads(void);
/// Those that this library's own kernels run on, counted by running one.
ct_status ct_kernel_threads(int *count);
/// Lets the C library keep freed memory for the next allocation instead of giving it back to the system. A
/// training step takes and frees the same large blocks every time; fresh pages for them cost a fifth of a
/// step on a CPU.
void ct_keep_freed_memory(void);
/// Silences LibTorch's log, unless TORCH_CPP_LOG_LEVEL is set: c10d's lines on lost connections are pages of
/// stack frames, and every failure is thrown in any case.
void ct_silence_log(void);
/// Ends this process when the one that started it ends, for any reason. Linux only; elsewhere it has no
/// effect.
void ct_die_with_parent(void);

/// Whether float32 products and convolutions on CUDA may round their factors to TF32 (10 bits of mantissa).
ct_status ct_set_tf32(bool allowed);

/// Loads libtorch_cuda if it lies beside libtorch_cpu. Must be called before anything else for CUDA. Returns
/// NULL on success, otherwise the loader's message.
const char *ct_load_cuda(void);
/// GPUs that can be used.
ct_status ct_cuda_device_count(int *out);

typedef struct ct_generator ct_generator;
ct_status ct_generator_new(ct_generator **out, ct_device device, uint64_t seed);
void ct_generator_free(ct_generator *generator);
ct_status ct_normal_(ct_tensor *x, double mean, double deviation, ct_generator *generator);
ct_status ct_uniform_(ct_tensor *x, double low, double high, ct_generator *generator);

#ifdef __cplusplus
}
#endif
