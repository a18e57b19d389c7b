// torchvision's operators, where its library is loaded.
#pragma once

#include "kernels/detection/detection.h"

#include <optional>

namespace ctorch {

/// Whether they are there for CUDA.
bool has_torchvision();

/// Nothing where there is no operator for the tensors' device.
std::optional<at::Tensor> torchvision_roi_align(const at::Tensor &x, const at::Tensor &boxes,
                                                const RoIAlignArguments &how);
std::optional<at::Tensor> torchvision_nms(const at::Tensor &boxes, const at::Tensor &scores,
                                          double threshold);

}  // namespace ctorch
