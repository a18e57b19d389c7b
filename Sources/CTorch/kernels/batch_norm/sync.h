// Training-mode batch normalisation over the batches of all ranks.
#pragma once

#include "kernels/batch_norm/batch_norm.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

namespace ctorch {

/// For any device, and N×C or N×C×H×W. Weight and bias may be undefined.
at::Tensor sync_batch_norm(const at::Tensor &x, const BatchNorm &norm,
                           const c10::intrusive_ptr<c10d::ProcessGroup> &group);

}  // namespace ctorch
