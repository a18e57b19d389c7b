// Training-mode batch normalisation over the batches of all ranks.
#pragma once

#include "kernels/batch_norm/batch_norm.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

namespace ctorch {

/// For any device, and N×C or N×C×H×W. Weight and bias may be undefined. The ranks' batches may differ in
/// size: the statistics are those of all values together, or, where ranks have equal weights, the means of
/// the ranks' mean and mean square, and then the running variance is the biased one.
at::Tensor sync_batch_norm(const at::Tensor &x, const BatchNorm &norm, bool weighs_ranks_equally,
                           const c10::intrusive_ptr<c10d::ProcessGroup> &group);

}  // namespace ctorch
