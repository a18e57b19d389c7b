#include "shim/shim.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>

#include <atomic>

using namespace ctorch;

namespace {
std::atomic<int64_t> alive{0};
}

namespace ctorch {

ct_tensor *wrap(at::Tensor tensor) {
  auto *handle = new ct_tensor{std::move(tensor)};
  alive.fetch_add(1, std::memory_order_relaxed);
  return handle;
}

at::ScalarType scalar_type(ct_dtype dtype) {
  switch (dtype) {
    case CT_UINT8: return at::kByte;
    case CT_INT64: return at::kLong;
    case CT_BOOL: return at::kBool;
    case CT_FLOAT16: return at::kHalf;
    case CT_BFLOAT16: return at::kBFloat16;
    case CT_FLOAT32: return at::kFloat;
    case CT_FLOAT64: return at::kDouble;
  }
  TORCH_CHECK(false, "unknown element type ", static_cast<int>(dtype));
}

at::Device device(ct_device device) {
  switch (device.kind) {
    case CT_CPU: return at::Device(at::kCPU);
    case CT_CUDA: return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device.index));
    case CT_MPS: return at::Device(at::kMPS);
  }
  TORCH_CHECK(false, "unknown device ", static_cast<int>(device.kind));
}

at::MemoryFormat memory_format(ct_layout layout) {
  return layout == CT_CHANNELS_LAST ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

}  // namespace ctorch

void ct_tensor_free(ct_tensor *tensor) {
  if (!tensor) return;
  delete tensor;
  alive.fetch_sub(1, std::memory_order_relaxed);
}

ct_status ct_tensor_undefined(ct_tensor **out) {
  return produce(out, [] { return at::Tensor(); });
}

int64_t ct_tensor_count(void) { return alive.load(std::memory_order_relaxed); }

ct_status ct_tensor_from_bytes(ct_tensor **out, const void *bytes, ct_dtype dtype, const int64_t *shape,
                               size_t rank) {
  return produce(out, [&] {
    return at::from_blob(const_cast<void *>(bytes), ints(shape, rank), at::TensorOptions(scalar_type(dtype)))
        .clone();
  });
}

ct_status ct_tensor_borrowing(ct_tensor **out, void *bytes, ct_dtype dtype, const int64_t *shape,
                              size_t rank) {
  return produce(
      out, [&] { return at::from_blob(bytes, ints(shape, rank), at::TensorOptions(scalar_type(dtype))); });
}

ct_status ct_tensor_full(ct_tensor **out, double value, ct_dtype dtype, ct_device where, const int64_t *shape,
                         size_t rank) {
  return produce(out, [&] {
    return at::full(ints(shape, rank), value, at::TensorOptions(scalar_type(dtype)).device(device(where)));
  });
}

ct_status ct_tensor_empty(ct_tensor **out, ct_dtype dtype, ct_device where, const int64_t *shape,
                          size_t rank) {
  return produce(out, [&] {
    return at::empty(ints(shape, rank), at::TensorOptions(scalar_type(dtype)).device(device(where)));
  });
}

ct_status ct_tensor_pinned(ct_tensor **out, int64_t count) {
  return produce(out, [&] { return at::empty({count}, at::TensorOptions(at::kByte).pinned_memory(true)); });
}

ct_status ct_tensor_arange(ct_tensor **out, int64_t end, ct_dtype dtype, ct_device where) {
  return produce(
      out, [&] { return at::arange(end, at::TensorOptions(scalar_type(dtype)).device(device(where))); });
}

bool ct_tensor_defined(const ct_tensor *tensor) { return tensor->value.defined(); }
// An undefined tensor's description throws in LibTorch; here it reads as an empty scalar on the CPU.
size_t ct_tensor_rank(const ct_tensor *tensor) {
  return tensor->value.defined() ? static_cast<size_t>(tensor->value.dim()) : 0;
}

void ct_tensor_shape(const ct_tensor *tensor, int64_t *shape) {
  if (!tensor->value.defined()) return;
  for (int64_t size : tensor->value.sizes()) *shape++ = size;
}

void ct_tensor_strides(const ct_tensor *tensor, int64_t *strides) {
  if (!tensor->value.defined()) return;
  for (int64_t stride : tensor->value.strides()) *strides++ = stride;
}

ct_dtype ct_tensor_dtype(const ct_tensor *tensor) {
  switch (tensor->value.scalar_type()) {
    case at::kByte: return CT_UINT8;
    case at::kLong: return CT_INT64;
    case at::kBool: return CT_BOOL;
    case at::kHalf: return CT_FLOAT16;
    case at::kBFloat16: return CT_BFLOAT16;
    case at::kDouble: return CT_FLOAT64;
    default: return CT_FLOAT32;
  }
}

ct_device ct_tensor_device(const ct_tensor *tensor) {
  if (!tensor->value.defined()) return {CT_CPU, 0};
  const at::Device device = tensor->value.device();
  const ct_device_kind kind = device.is_cuda() ? CT_CUDA : device.is_mps() ? CT_MPS : CT_CPU;
  return {kind, device.has_index() ? device.index() : 0};
}

bool ct_tensor_is_contiguous(const ct_tensor *tensor, ct_layout layout) {
  return tensor->value.defined() && tensor->value.is_contiguous(memory_format(layout));
}

void *ct_tensor_data(const ct_tensor *tensor) {
  return tensor->value.defined() ? tensor->value.data_ptr() : nullptr;
}

ct_status ct_tensor_item(double *out, const ct_tensor *tensor) {
  return guarded([&] { *out = tensor->value.item().toDouble(); });
}

ct_status ct_to_dtype(ct_tensor **out, const ct_tensor *x, ct_dtype dtype) {
  return produce(out, [&] { return unwrap(x).to(scalar_type(dtype)); });
}

ct_status ct_to_device(ct_tensor **out, const ct_tensor *x, ct_device where, bool asynchronous) {
  return produce(out, [&] { return unwrap(x).to(device(where), /*non_blocking=*/asynchronous); });
}

ct_status ct_contiguous(ct_tensor **out, const ct_tensor *x, ct_layout layout) {
  return produce(out, [&] { return unwrap(x).contiguous(memory_format(layout)); });
}

ct_status ct_clone(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return unwrap(x).clone(); });
}

ct_status ct_alias(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return unwrap(x); });
}

ct_status ct_set_data(ct_tensor *x, const ct_tensor *data) {
  return guarded([&] { x->value.set_data(unwrap(data)); });
}
