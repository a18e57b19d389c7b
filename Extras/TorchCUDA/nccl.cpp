#define USE_C10D_NCCL
#include "library.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <cstdlib>

ct_status ctorch::join_nccl(ct_group *group) {
  return guarded([&] {
    // The ranks find the cause of a hanging step themselves. NCCL's threads would end the process before that
    // by a signal, without a message; torchrun switches that on.
    setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", 1);
    setenv("TORCH_NCCL_ENABLE_MONITORING", "0", 1);
    const auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = group->timeout + std::chrono::minutes(1);  // the ranks' own timeout comes first
    group->nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(
        c10::make_intrusive<c10d::PrefixStore>("nccl", group->store), group->value->getRank(),
        group->value->getSize(), options);
    group->value->setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL, group->nccl);
  });
}
