#include "kernels/parallel.h"
#include "kernels/product/library.h"
#include "shim/shim.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/util/Logging.h>
#include <torch/version.h>

#include <dlfcn.h>
#include <atomic>
#include <chrono>
#ifdef __linux__
#include <sys/prctl.h>
#include <csignal>
#endif
#include <string>
#include <thread>

using namespace ctorch;

static_assert(static_cast<int>(ProductLibrary::onednn) == CT_PRODUCTS_ONEDNN &&
              static_cast<int>(ProductLibrary::own) == CT_PRODUCTS_OWN);

static ct_product_library c_library(ProductLibrary library) {
  return static_cast<ct_product_library>(library);
}

static ProductLibrary library_of(ct_product_library library) { return static_cast<ProductLibrary>(library); }

const char *ct_version(void) { return TORCH_VERSION; }

const char *ct_cpu_capability(void) {
  static const std::string name = at::get_cpu_capability();
  return name.c_str();
}

const char *ct_product_library_name(ct_product_library library) {
  if (!has(library_of(library))) return nullptr;
  if (library == CT_PRODUCTS_ONEDNN) return "oneDNN";
  if (library == CT_PRODUCTS_OWN) return "our kernel";
  return at::hasMKL() ? "MKL" : "LibTorch's BLAS";
}

ct_product_library ct_faster_product_library(const char *maker, const char *width) {
  return c_library(faster_library(maker, width));
}

ct_product_library ct_thread_product_library(void) { return c_library(product_library()); }

void ct_set_thread_product_library(ct_product_library library) { product_library() = library_of(library); }

ct_status ct_set_threads(int count) {
  return guarded([&] { at::set_num_threads(count); });
}

int ct_threads(void) { return at::get_num_threads(); }

ct_status ct_kernel_threads(int *count) {
  *count = 0;
  return guarded([&] {
    // Each block waits for the others, so that no thread can take two.
    const int wanted = at::get_num_threads();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    std::atomic<int> came = 0;
    for_each_in_parallel(wanted, [&](int64_t) {
      if (std::chrono::steady_clock::now() < end) ++came;
      while (came < wanted && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    });
    *count = came;
  });
}

void ct_silence_log(void) {
  if (getenv("TORCH_CPP_LOG_LEVEL"))
    c10::initLogging();
  else
    FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

void ct_die_with_parent(void) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

ct_status ct_set_tf32(bool allowed) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(allowed);
    at::globalContext().setAllowTF32CuDNN(allowed);
  });
}

const char *ct_load_cuda(void) {
  static const std::string failure = [] {
    return dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) ? std::string() : std::string(dlerror());
  }();
  return failure.empty() ? nullptr : failure.c_str();
}

ct_status ct_cuda_device_count(int *out) {
  *out = 0;
  return guarded([&] {
    if (at::hasCUDA()) *out = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  });
}

ct_status ct_generator_new(ct_generator **out, ct_device where, uint64_t seed) {
  *out = nullptr;
  return guarded([&] {
    TORCH_CHECK(where.kind == CT_CPU, "generators are made on the CPU");
    *out = new ct_generator{at::detail::createCPUGenerator(seed)};
  });
}

void ct_generator_free(ct_generator *generator) { delete generator; }

ct_status ct_normal_(ct_tensor *x, double mean, double deviation, ct_generator *generator) {
  return guarded([&] { x->value.normal_(mean, deviation, generator->value); });
}

ct_status ct_uniform_(ct_tensor *x, double low, double high, ct_generator *generator) {
  return guarded([&] { x->value.uniform_(low, high, generator->value); });
}
