// How much arithmetic a piece of work is.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Counts the convolutions, matrix products and attention of this thread and its backward passes from here
/// on: a multiplication and an addition are two operations; bytes are those of each one's operands and
/// result. One count at a time in a process.
ct_status ct_count_begin(void);
/// Ends the count, in the thread that began it. Work that is still in a device's queue is counted already.
ct_status ct_count_end(double *operations, double *bytes);

#ifdef __cplusplus
}
#endif
