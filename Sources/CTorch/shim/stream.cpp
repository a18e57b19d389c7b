#include "shim/shim.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <thread>

using namespace ctorch;

// Without CUDA's headers: c10 has streams and events for every registered device.
struct ct_stream {
  std::optional<c10::Stream> value;  // of a GPU
};

namespace {

bool is_real(const ct_stream *stream) { return stream && stream->value; }

c10::impl::VirtualGuardImpl device_of(const ct_stream *stream) {
  return c10::impl::VirtualGuardImpl(stream->value->device_type());
}

c10::Event reached(const ct_stream *stream) {
  c10::Event event(stream->value->device_type());
  event.record(*stream->value);
  return event;
}

}  // namespace

ct_status ct_stream_new(ct_stream **out, ct_device where, bool urgent) {
  *out = nullptr;
  return guarded([&] {
    const at::Device place = device(where);
    *out = new ct_stream{};
    if (place.is_cuda())
      (*out)->value = c10::impl::VirtualGuardImpl(place.type()).getStreamFromGlobalPool(place, urgent);
  });
}

ct_status ct_stream_current(ct_stream **out, ct_device where) {
  *out = nullptr;
  return guarded([&] {
    const at::Device place = device(where);
    *out = new ct_stream{};
    if (place.is_cuda()) (*out)->value = c10::impl::VirtualGuardImpl(place.type()).getStream(place);
  });
}

void ct_stream_free(ct_stream *stream) { delete stream; }

ct_status ct_stream_enter(const ct_stream *stream) {
  return guarded([&] {
    if (!is_real(stream)) return;
    device_of(stream).setDevice(stream->value->device());
    device_of(stream).exchangeStream(*stream->value);
  });
}

ct_status ct_stream_follow(const ct_stream *stream, const ct_stream *other) {
  return guarded([&] {
    if (is_real(stream) && is_real(other)) reached(other).block(*stream->value);
  });
}

ct_status ct_stream_wait(const ct_stream *stream, int64_t timeout_ms) {
  return guarded([&] {
    if (!is_real(stream)) return;
    const c10::Event end = reached(stream);
    if (timeout_ms < 0) return end.synchronize();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (!end.query()) {
      TORCH_CHECK(std::chrono::steady_clock::now() < deadline, "Timed out after ", timeout_ms,
                  " ms waiting for ", stream->value->device().str());
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
}

ct_status ct_stream_uses(const ct_stream *stream, const ct_tensor *x) {
  return guarded([&] {
    if (is_real(stream) && unwrap(x).defined()) unwrap(x).record_stream(*stream->value);
  });
}
