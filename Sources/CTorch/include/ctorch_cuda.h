// The library for NCCL and CUDA graphs. It is loaded at run time, so that a program for CPUs does not need
// CUDA.
#pragma once

#include "ctorch_distributed.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ct_library {
  CT_LIBRARY_LOADED = 0,
  CT_LIBRARY_UNLOADABLE = 1,       // the loader refused it
  CT_LIBRARY_NOT_OURS = 2,         // another program's
  CT_LIBRARY_VERSION_MISMATCH = 3  // made for another LibTorch, or for another version of this program
} ct_library;

/// Loads the file, once libtorch_cuda is loaded; the functions below need it. `message` explains a refusal:
/// the loader's message, or the versions. It stays valid until this thread's next call.
ct_library ct_cuda_library_open(const char *path, const char **message);

/// From here on the group's collectives on CUDA tensors go by NCCL; those on the CPU's stay as they are.
/// Every rank calls it.
ct_status ct_group_join_nccl(ct_group *group);

/// The operations of this thread on the current stream between begin and end are recorded instead of run; a
/// replay runs them in the same memory. The stream must not be the device's default one. End must follow
/// begin, even after a failure between them.
typedef struct ct_graph ct_graph;
ct_status ct_graph_begin(ct_graph **out);
ct_status ct_graph_end(ct_graph *graph);
ct_status ct_graph_replay(const ct_graph *graph);
void ct_graph_free(ct_graph *graph);

#ifdef __cplusplus
}
#endif
