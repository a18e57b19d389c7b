#include "library.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

struct ct_graph {
  at::cuda::CUDAGraph value;
};

ct_status ctorch::graph_begin(ct_graph **out) {
  return guarded([&] {
    // The graph's memory is its own: what the steps before took would lie idle beside it.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    auto graph = std::make_unique<ct_graph>();
    // Only this thread is held to what can be kept: backward runs in a thread of LibTorch's.
    graph->value.capture_begin(/*pool=*/{0, 0}, cudaStreamCaptureModeThreadLocal);
    *out = graph.release();
  });
}

ct_status ctorch::graph_end(ct_graph *graph) {
  return guarded([&] { graph->value.capture_end(); });
}

ct_status ctorch::graph_replay(const ct_graph *graph) {
  return guarded([&] { const_cast<ct_graph *>(graph)->value.replay(); });
}

void ctorch::graph_free(ct_graph *graph) {
  (void)guarded([&] { delete graph; });
}
