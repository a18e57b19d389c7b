// The interface between the shim and its library for CUDA. Both are compiled with this header; only the
// library includes CUDA's.
#pragma once

#include "shim/distributed.h"

namespace ctorch {

struct CUDALibrary {
  int layout;         // of this table
  const char *torch;  // the LibTorch it was compiled for
  ct_status (*join_nccl)(ct_group *group);
  ct_status (*graph_begin)(ct_graph **out);
  ct_status (*graph_end)(ct_graph *graph);
  ct_status (*graph_replay)(const ct_graph *graph);
  void (*graph_free)(ct_graph *graph);
};

/// To be raised with every change of the table or of the types in it.
constexpr int cuda_library_layout = 1;

/// The one function that the library shows, by the name `ct_cuda_library`. Failures go to `record`.
using CUDALibraryEntry = const CUDALibrary *(*)(void (*record)(ct_status kind, const char *message) noexcept);

}  // namespace ctorch
