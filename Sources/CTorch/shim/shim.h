// Inside the shim only: the one place where exceptions become statuses, and handles become tensors.
#pragma once

#include "CTorch.h"

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <cstring>
#include <vector>

struct ct_tensor {
  at::Tensor value;
};

struct ct_generator {
  at::Generator value;
};

namespace ctorch {

void record(ct_status kind, const char *message) noexcept;
ct_tensor *wrap(at::Tensor tensor);

inline const at::Tensor &unwrap(const ct_tensor *tensor) { return tensor->value; }

/// The CPU's allocator throws a plain c10::Error: only its name distinguishes it from a refused operation.
inline ct_status kind_of(const c10::Error &error) {
  return std::strstr(error.what_without_backtrace(), "DefaultCPUAllocator") ? CT_OUT_OF_MEMORY : CT_FAILED;
}

/// Runs `body`; whatever it throws ends here.
template <class Body>
ct_status guarded(Body &&body) noexcept {
  try {
    body();
    return CT_OK;
  } catch (const c10::OutOfMemoryError &error) {
    record(CT_OUT_OF_MEMORY, error.what_without_backtrace());
    return CT_OUT_OF_MEMORY;
  } catch (const c10::NotImplementedError &error) {
    record(CT_NOT_IMPLEMENTED, error.what_without_backtrace());
    return CT_NOT_IMPLEMENTED;
  } catch (const c10::Error &error) {
    record(kind_of(error), error.what_without_backtrace());
    return kind_of(error);
  } catch (const std::bad_alloc &) {
    record(CT_OUT_OF_MEMORY, "the system has no more memory to give");
    return CT_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    record(CT_FAILED, error.what());
    return CT_FAILED;
  } catch (...) {
    record(CT_FAILED, "an unknown C++ exception");
    return CT_FAILED;
  }
}

/// Runs `body` and hands out the tensor it returns; NULL on failure.
template <class Body>
ct_status produce(ct_tensor **out, Body &&body) noexcept {
  *out = nullptr;
  return guarded([&] { *out = wrap(body()); });
}

inline at::IntArrayRef ints(const int64_t *values, size_t count) { return {values, count}; }

inline std::vector<at::Tensor> list(const ct_tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> result;
  result.reserve(count);
  for (size_t i = 0; i < count; ++i) result.push_back(tensors[i]->value);
  return result;
}

at::ScalarType scalar_type(ct_dtype dtype);
at::Device device(ct_device device);
at::MemoryFormat memory_format(ct_layout layout);

}  // namespace ctorch
