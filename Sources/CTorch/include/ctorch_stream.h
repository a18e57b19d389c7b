// Queues of a device's work.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What a GPU does in order. A CPU's work is done when it is asked for: its stream is there and does nothing. NULL stands
/// for one that could not be made, and does nothing either.
typedef struct ct_stream ct_stream;
/// One of the device's pool. An urgent one's work goes first where both wait.
ct_status ct_stream_new(ct_stream **out, ct_device where, bool urgent);
/// The one that this thread's operations on the device go to.
ct_status ct_stream_current(ct_stream **out, ct_device where);
void ct_stream_free(ct_stream *stream);
/// From here on this thread's operations on its device go to `stream`, and its device is the current one.
ct_status ct_stream_enter(const ct_stream *stream);
/// What `stream` is asked for from here on begins after what `other` has been asked for so far.
ct_status ct_stream_follow(const ct_stream *stream, const ct_stream *other);
/// Waits until all is done that `stream` has been asked for; for ever where `timeout_ms` is negative.
ct_status ct_stream_wait(const ct_stream *stream, int64_t timeout_ms);
/// The memory of x, made on another stream, is not used again before `stream` has done what it has been asked for when x
/// goes.
ct_status ct_stream_uses(const ct_stream *stream, const ct_tensor *x);

#ifdef __cplusplus
}
#endif
