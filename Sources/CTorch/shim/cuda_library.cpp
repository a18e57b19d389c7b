#include "shim/cuda_library.h"

#include <torch/version.h>

#include <dlfcn.h>
#include <atomic>
#include <string>

using namespace ctorch;

namespace {

std::atomic<const CUDALibrary *> loaded{nullptr};

/// Calls one of the library's functions.
template <class... Arguments>
ct_status call(ct_status (*CUDALibrary::*function)(Arguments...), Arguments... arguments) {
  if (const CUDALibrary *library = loaded.load()) return (library->*function)(arguments...);
  record(CT_FAILED, "NCCL and CUDA graphs need this program's library for CUDA, which is not loaded");
  return CT_FAILED;
}

}  // namespace

ct_library ct_cuda_library_open(const char *path, const char **message) {
  static thread_local std::string text;
  *message = "";
  const auto refused = [&](ct_library how, const std::string &why) {
    text = why;
    *message = text.c_str();
    return how;
  };
  void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!file) return refused(CT_LIBRARY_UNLOADABLE, dlerror());
  const auto entry = reinterpret_cast<CUDALibraryEntry>(dlsym(file, "ct_cuda_library"));
  if (!entry) return refused(CT_LIBRARY_NOT_OURS, "");
  const CUDALibrary *found = entry(record);
  if (found->layout != cuda_library_layout || std::string(found->torch) != TORCH_VERSION)
    return refused(CT_LIBRARY_VERSION_MISMATCH, std::string("LibTorch ") + found->torch + ", interface " +
                                                    std::to_string(found->layout) +
                                                    ", and not LibTorch " TORCH_VERSION ", interface " +
                                                    std::to_string(cuda_library_layout));
  loaded = found;
  return CT_LIBRARY_LOADED;
}

ct_status ct_group_join_nccl(ct_group *group) { return call(&CUDALibrary::join_nccl, group); }

ct_status ct_graph_begin(ct_graph **out) {
  *out = nullptr;
  return call(&CUDALibrary::graph_begin, out);
}

ct_status ct_graph_end(ct_graph *graph) { return call(&CUDALibrary::graph_end, graph); }

ct_status ct_graph_replay(const ct_graph *graph) { return call(&CUDALibrary::graph_replay, graph); }

void ct_graph_free(ct_graph *graph) {
  if (graph) loaded.load()->graph_free(graph);
}
