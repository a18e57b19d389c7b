// A class for every pixel, from logits of a smaller map: N×C×h×w, which is enlarged bilinearly. Corners'
// centres stay in place if `align_corners`, else the edges do.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Mean over the pixels whose label is not `ignored` of −log softmax(enlarged logits)[label]; 0 if there are
/// none. `labels` is N×H×W, int64 or uint8.
ct_status ct_enlarged_cross_entropy(ct_tensor **out, const ct_tensor *logits, const ct_tensor *labels,
                                    int64_t ignored, bool align_corners);
/// Index of the largest enlarged logit, the lowest among equals: N×height×width uint8.
ct_status ct_enlarged_argmax(ct_tensor **out, const ct_tensor *logits, int64_t height, int64_t width,
                             bool align_corners);
/// The same two from LibTorch's operations, for devices without a kernel.
ct_status ct_enlarged_cross_entropy_composed(ct_tensor **out, const ct_tensor *logits,
                                             const ct_tensor *labels, int64_t ignored, bool align_corners);
ct_status ct_enlarged_argmax_composed(ct_tensor **out, const ct_tensor *logits, int64_t height, int64_t width,
                                      bool align_corners);

#ifdef __cplusplus
}
#endif
