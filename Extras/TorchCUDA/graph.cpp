#include "library.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

struct ct_graph {
  at::cuda::CUDAGraph value;
  const c10::DeviceIndex device = c10::cuda::current_device();
  const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
};

namespace {

template <class Body>
void quietly(Body &&body) {
  try {
    body();
  } catch (...) {
  }
}

/// Runs `body` of a capture. Where one fails LibTorch's allocator would go on as if it lasted, and keep from
/// then on every block that a second stream has seen.
template <class Body>
void capturing(const ct_graph &graph, Body &&body) {
  namespace allocator = c10::cuda::CUDACachingAllocator;
  try {
    body();
  } catch (...) {
    // Either throws if the failure came before its turn.
    quietly([&] { allocator::endAllocateToPool(graph.device, graph.pool); });
    quietly([&] { allocator::releasePool(graph.device, graph.pool); });
    throw;
  }
}

}  // namespace

ct_status ctorch::graph_begin(ct_graph **out) {
  return guarded([&] {
    // The graph has memory of its own: that of earlier steps would be idle beside it.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    auto graph = std::make_unique<ct_graph>();
    // Only this thread's operations are restricted to those that can be captured: backward runs in a thread
    // of LibTorch.
    capturing(*graph, [&] { graph->value.capture_begin(graph->pool, cudaStreamCaptureModeThreadLocal); });
    *out = graph.release();
  });
}

ct_status ctorch::graph_end(ct_graph *graph) {
  return guarded([&] { capturing(*graph, [&] { graph->value.capture_end(); }); });
}

ct_status ctorch::graph_replay(const ct_graph *graph) {
  return guarded([&] { const_cast<ct_graph *>(graph)->value.replay(); });
}

void ctorch::graph_free(ct_graph *graph) {
  (void)guarded([&] { delete graph; });
}
