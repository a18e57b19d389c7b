#include "kernels/segmentation/segmentation.h"
#include "shim/shim.h"

using namespace ctorch;

ct_status ct_enlarged_cross_entropy(ct_tensor **out, const ct_tensor *logits, const ct_tensor *labels,
                                    int64_t ignored, bool align_corners) {
  return produce(
      out, [&] { return enlarged_cross_entropy(unwrap(logits), unwrap(labels), ignored, align_corners); });
}

ct_status ct_enlarged_argmax(ct_tensor **out, const ct_tensor *logits, int64_t height, int64_t width,
                             bool align_corners) {
  return produce(out, [&] { return enlarged_argmax(unwrap(logits), height, width, align_corners); });
}

ct_status ct_enlarged_cross_entropy_composed(ct_tensor **out, const ct_tensor *logits,
                                             const ct_tensor *labels, int64_t ignored, bool align_corners) {
  return produce(out, [&] {
    return enlarged_cross_entropy_composed(unwrap(logits), unwrap(labels), ignored, align_corners);
  });
}

ct_status ct_enlarged_argmax_composed(ct_tensor **out, const ct_tensor *logits, int64_t height, int64_t width,
                                      bool align_corners) {
  return produce(out, [&] { return enlarged_argmax_composed(unwrap(logits), height, width, align_corners); });
}
