// Non-maximum suppression: a box is dropped if one with a higher score that is kept covers it.
#include "kernels/detection/detection.h"

#include <algorithm>
#include <vector>

using namespace ctorch;

namespace {

/// Kept places of boxes sorted by score.
template <class T>
std::vector<int64_t> kept(const T *boxes, const int64_t *classes, int64_t count, double threshold) {
  std::vector<bool> dropped(count);
  std::vector<int64_t> result;
  for (int64_t i = 0; i < count; ++i) {
    if (dropped[i]) continue;
    result.push_back(i);
    const T *a = boxes + 4 * i;
    const T area = (a[2] - a[0]) * (a[3] - a[1]);
    for (int64_t j = i + 1; j < count; ++j) {
      if (classes && classes[i] != classes[j]) continue;
      const T *b = boxes + 4 * j;
      const T width = std::max(T(0), std::min(a[2], b[2]) - std::max(a[0], b[0]));
      const T height = std::max(T(0), std::min(a[3], b[3]) - std::max(a[1], b[1]));
      const T common = width * height;
      const T other = (b[2] - b[0]) * (b[3] - b[1]);
      const T together = area + other;
      if (common / (together - common) > threshold) dropped[j] = true;
    }
  }
  return result;
}

}  // namespace

at::Tensor ctorch::nms(const at::Tensor &boxes, const at::Tensor &scores, const at::Tensor &classes,
                       double threshold) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4 && scores.dim() == 1 &&
                  scores.size(0) == boxes.size(0) &&
                  (!classes.defined() || classes.sizes() == scores.sizes()),
              "NMS takes N×4, N and N, not ", boxes.sizes(), ", ", scores.sizes(), " and ",
              classes.defined() ? classes.sizes() : at::IntArrayRef());
  const bool is_reduced = at::isReducedFloatingType(boxes.scalar_type());
  const at::Tensor here = boxes.detach().to(at::kCPU, is_reduced ? at::kFloat : boxes.scalar_type());
  const at::Tensor order = scores.detach().to(at::kCPU).argsort(/*stable=*/true, 0, /*descending=*/true);
  const at::Tensor sorted = here.index_select(0, order).contiguous();
  const at::Tensor groups = classes.defined() ? classes.to(at::kCPU).index_select(0, order) : classes;
  const int64_t *own = classes.defined() ? groups.const_data_ptr<int64_t>() : nullptr;
  const int64_t count = boxes.size(0);
  const auto places = sorted.scalar_type() == at::kDouble
                          ? kept(sorted.const_data_ptr<double>(), own, count, threshold)
                          : kept(sorted.const_data_ptr<float>(), own, count, threshold);
  return order.index_select(0, at::tensor(places, at::kLong)).to(boxes.device());
}
