#include "kernels/detection/torchvision.h"
#include "shim/shim.h"

#include <dlfcn.h>
#include <string>

using namespace ctorch;

ct_status ct_roi_align(ct_tensor **out, const ct_tensor *x, const ct_tensor *boxes, ct_pair size,
                       double scale, int64_t ratio, bool aligned) {
  return produce(out, [&] {
    return ctorch::roi_align(unwrap(x), unwrap(boxes), {size.height, size.width, scale, ratio, aligned});
  });
}

ct_status ct_roi_align_composed(ct_tensor **out, const ct_tensor *x, const ct_tensor *boxes, ct_pair size,
                                double scale, int64_t ratio, bool aligned) {
  return produce(out, [&] {
    return ctorch::roi_align_composed(unwrap(x), unwrap(boxes),
                                      {size.height, size.width, scale, ratio, aligned});
  });
}

ct_status ct_nms(ct_tensor **out, const ct_tensor *boxes, const ct_tensor *scores, const ct_tensor *classes,
                 double threshold) {
  return produce(out, [&] {
    return ctorch::nms(unwrap(boxes), unwrap(scores), classes ? unwrap(classes) : at::Tensor(), threshold);
  });
}

ct_status ct_box_iou(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return ctorch::box_iou(unwrap(a), unwrap(b)); });
}

ct_status ct_paste_masks(ct_tensor **out, const ct_tensor *masks, const ct_tensor *boxes, int64_t height,
                         int64_t width, double threshold) {
  return produce(out,
                 [&] { return ctorch::paste_masks(unwrap(masks), unwrap(boxes), height, width, threshold); });
}

const char *ct_torchvision_open(const char *path) {
  static thread_local std::string text;
  text = "";
  if (!dlopen(path, RTLD_NOW | RTLD_LOCAL))
    text = dlerror();
  else if (!has_torchvision())
    text = std::string(path) + " has no RoIAlign and NMS for CUDA";
  return text.empty() ? nullptr : text.c_str();
}
