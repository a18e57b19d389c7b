// The library for NCCL and CUDA graphs. scripts/cuda-library builds it; the program loads it where there is a
// GPU. It has no Swift, and no state but the function that records failures.
#include "library.h"

#include <torch/version.h>

namespace ctorch {

namespace {
void (*recorder)(ct_status, const char *) noexcept = nullptr;
}

// The library's own: `guarded`, compiled into it, reports to the slot of the program that loaded it.
void record(ct_status kind, const char *message) noexcept { recorder(kind, message); }

}  // namespace ctorch

extern "C" __attribute__((visibility("default"))) const ctorch::CUDALibrary *ct_cuda_library(
    void (*record)(ct_status kind, const char *message) noexcept) {
  ctorch::recorder = record;
  static const ctorch::CUDALibrary library{
      ctorch::cuda_library_layout, TORCH_VERSION,        ctorch::join_nccl,  ctorch::graph_begin,
      ctorch::graph_end,           ctorch::graph_replay, ctorch::graph_free,
  };
  return &library;
}
