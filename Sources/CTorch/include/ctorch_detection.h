// Boxes and what lies in them. A box is x0, y0, x1, y1 in pixels.
#pragma once

#include "ctorch_nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/// `boxes` is R×5: the image's index, and a box in pixels, which times `scale` gives places on the N×C×H×W
/// map. `ratio` is the number of samples a side of each bin, 0 for ⌈the bin's size⌉. `aligned` shifts by half
/// a pixel, so that a pixel's centre is at its index; without it a box has at least 1 pixel a side.
ct_status ct_roi_align(ct_tensor **out, const ct_tensor *x, const ct_tensor *boxes, ct_pair size,
                       double scale, int64_t ratio, bool aligned);
/// The same from matrix products, for devices without a kernel.
ct_status ct_roi_align_composed(ct_tensor **out, const ct_tensor *x, const ct_tensor *boxes, ct_pair size,
                                double scale, int64_t ratio, bool aligned);

/// Indices of the kept boxes by falling score. `classes` (int64) may be NULL: then all boxes compete.
ct_status ct_nms(ct_tensor **out, const ct_tensor *boxes, const ct_tensor *scores, const ct_tensor *classes,
                 double threshold);
/// M×4 and N×4 → M×N; 0 where two do not meet.
ct_status ct_box_iou(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
/// R×h×w and R×4 → R×height×width of 0 and 1 (uint8).
ct_status ct_paste_masks(ct_tensor **out, const ct_tensor *masks, const ct_tensor *boxes, int64_t height,
                         int64_t width, double threshold);

/// Loads torchvision's library for its operators on CUDA, once libtorch_cuda is loaded. NULL if they are there
/// afterwards, otherwise the reason; it stays valid until this thread's next call.
const char *ct_torchvision_open(const char *path);

#ifdef __cplusplus
}
#endif
