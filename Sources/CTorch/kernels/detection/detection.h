// Boxes of tensors, on the CPU by our kernels, elsewhere by torchvision's or by other operations.
#pragma once

#include "kernels/detection/weights.h"

#include <ATen/core/Tensor.h>

namespace ctorch {

/// N×C×H×W and R×5 (image, x0, y0, x1, y1) → R×C×rows×columns, channels-last; gradient for x.
at::Tensor roi_align(const at::Tensor &x, const at::Tensor &boxes, const RoIAlignArguments &how);
/// The same from matrix products, on any device.
at::Tensor roi_align_composed(const at::Tensor &x, const at::Tensor &boxes, const RoIAlignArguments &how);

/// Kept indices by falling score, the lower index first among equals. `classes` may be undefined: then all
/// boxes compete.
at::Tensor nms(const at::Tensor &boxes, const at::Tensor &scores, const at::Tensor &classes,
               double threshold);

/// M×4 and N×4 → M×N.
at::Tensor box_iou(const at::Tensor &a, const at::Tensor &b);

/// R×h×w and R×4 → R×height×width (uint8): 1 where the mask, interpolated in its box, reaches `threshold`.
at::Tensor paste_masks(const at::Tensor &masks, const at::Tensor &boxes, int64_t height, int64_t width,
                       double threshold);

}  // namespace ctorch
