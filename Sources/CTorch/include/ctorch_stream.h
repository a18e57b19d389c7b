// Queues of a device's operations.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Operations that a GPU runs in order. A CPU's operations run at once: its stream has no effect. NULL, for a
/// stream that could not be made, has no effect either.
typedef struct ct_stream ct_stream;
/// One of the device's pool. An urgent one's operations go first where both wait.
ct_status ct_stream_new(ct_stream **out, ct_device where, bool urgent);
/// The one that this thread's operations on the device go to.
ct_status ct_stream_current(ct_stream **out, ct_device where);
void ct_stream_free(ct_stream *stream);
/// From here on this thread's operations on its device go to `stream`, and its device is the current one.
ct_status ct_stream_enter(const ct_stream *stream);
/// Operations put on `stream` from here on begin after those on `other` so far.
ct_status ct_stream_follow(const ct_stream *stream, const ct_stream *other);
/// Waits until all operations on `stream` are done; without limit where `timeout_ms` is negative.
ct_status ct_stream_wait(const ct_stream *stream, int64_t timeout_ms);
/// The memory of x, made on another stream, is not reused before `stream` has done its operations up to the
/// end of x.
ct_status ct_stream_uses(const ct_stream *stream, const ct_tensor *x);

#ifdef __cplusplus
}
#endif
