// Tensors: life, description, memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ctorch_error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_tensor ct_tensor;

typedef enum ct_dtype {
  CT_UINT8 = 0,
  CT_INT64 = 1,
  CT_BOOL = 2,
  CT_FLOAT16 = 3,
  CT_BFLOAT16 = 4,
  CT_FLOAT32 = 5,
  CT_FLOAT64 = 6
} ct_dtype;

typedef enum ct_device_kind { CT_CPU = 0, CT_CUDA = 1, CT_MPS = 2 } ct_device_kind;

typedef struct ct_device {
  ct_device_kind kind;
  int32_t index;
} ct_device;

typedef enum ct_layout { CT_CONTIGUOUS = 0, CT_CHANNELS_LAST = 1 } ct_layout;

void ct_tensor_free(ct_tensor *tensor);
/// A tensor in place of a failed result.
ct_status ct_tensor_undefined(ct_tensor **out);
/// Handles alive in this process; for leak tests.
int64_t ct_tensor_count(void);

ct_status ct_tensor_from_bytes(ct_tensor **out, const void *bytes, ct_dtype dtype, const int64_t *shape,
                               size_t rank);
/// Borrows `bytes`, which must outlive the tensor and everything that views it.
ct_status ct_tensor_borrowing(ct_tensor **out, void *bytes, ct_dtype dtype, const int64_t *shape,
                              size_t rank);
ct_status ct_tensor_full(ct_tensor **out, double value, ct_dtype dtype, ct_device device,
                         const int64_t *shape, size_t rank);
ct_status ct_tensor_empty(ct_tensor **out, ct_dtype dtype, ct_device device, const int64_t *shape,
                          size_t rank);
/// Bytes in the host's memory that a GPU copies from directly; CUDA must be there.
ct_status ct_tensor_pinned(ct_tensor **out, int64_t count);
ct_status ct_tensor_arange(ct_tensor **out, int64_t end, ct_dtype dtype, ct_device device);

bool ct_tensor_defined(const ct_tensor *tensor);
size_t ct_tensor_rank(const ct_tensor *tensor);
void ct_tensor_shape(const ct_tensor *tensor, int64_t *shape);
void ct_tensor_strides(const ct_tensor *tensor, int64_t *strides);
ct_dtype ct_tensor_dtype(const ct_tensor *tensor);
ct_device ct_tensor_device(const ct_tensor *tensor);
bool ct_tensor_is_contiguous(const ct_tensor *tensor, ct_layout layout);
/// The first element's address; only for tensors in the CPU's memory.
void *ct_tensor_data(const ct_tensor *tensor);
/// One element as a double. On a GPU this waits for the device.
ct_status ct_tensor_item(double *out, const ct_tensor *tensor);

ct_status ct_to_dtype(ct_tensor **out, const ct_tensor *x, ct_dtype dtype);
/// With `asynchronous` it may return before memory that a GPU reads directly has been read.
ct_status ct_to_device(ct_tensor **out, const ct_tensor *x, ct_device device, bool asynchronous);
ct_status ct_contiguous(ct_tensor **out, const ct_tensor *x, ct_layout layout);
ct_status ct_clone(ct_tensor **out, const ct_tensor *x);
/// Another handle on the same tensor.
ct_status ct_alias(ct_tensor **out, const ct_tensor *x);
/// Replaces what `x` holds while keeping its identity for autograd and optimizers.
ct_status ct_set_data(ct_tensor *x, const ct_tensor *data);

#ifdef __cplusplus
}
#endif
