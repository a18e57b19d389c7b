// Non-maximum suppression of tensors.
#include "kernels/detection/detection.h"
#include "kernels/detection/suppression.h"
#include "kernels/detection/torchvision.h"
#include "kernels/parallel.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <numeric>

using namespace ctorch;

namespace {

/// The places of each class, ascending.
std::vector<std::vector<int64_t>> by_class(const int64_t *classes, int64_t count) {
  std::vector<int64_t> places(count);
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(),
                   [&](int64_t i, int64_t j) { return classes[i] < classes[j]; });
  std::vector<std::vector<int64_t>> groups;
  for (const int64_t place : places) {
    if (groups.empty() || classes[groups.back()[0]] != classes[place]) groups.emplace_back();
    groups.back().push_back(place);
  }
  return groups;
}

/// Kept places of boxes by falling score.
template <class T>
std::vector<int64_t> kept_places(const at::Tensor &boxes, const at::Tensor &classes, double threshold) {
  const T *rows = boxes.data_ptr<T>();
  const int64_t count = boxes.size(0);
  if (!classes.defined()) {
    std::vector<int64_t> all(count);
    std::iota(all.begin(), all.end(), 0);
    return detection::kept(rows, all, threshold);
  }
  const auto groups = by_class(classes.data_ptr<int64_t>(), count);
  std::vector<uint8_t> flags(count);
  for_each_in_parallel(static_cast<int64_t>(groups.size()), [&](int64_t i) {
    for (const int64_t place : detection::kept(rows, groups[i], threshold)) flags[place] = 1;
  });
  std::vector<int64_t> result;
  for (int64_t i = 0; i < count; ++i)
    if (flags[i]) result.push_back(i);
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
  if (!classes.defined() && !boxes.is_cpu())
    if (const auto indices = torchvision_nms(boxes, scores, threshold)) return *indices;
  const auto type = boxes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor order = scores.detach().to(at::kCPU).argsort(/*stable=*/true, 0, /*descending=*/true);
  const at::Tensor sorted = boxes.detach().to(at::kCPU, type).index_select(0, order).contiguous();
  const at::Tensor groups =
      classes.defined() ? classes.to(at::kCPU, at::kLong).index_select(0, order).contiguous() : classes;
  const auto places = type == at::kDouble ? kept_places<double>(sorted, groups, threshold)
                                          : kept_places<float>(sorted, groups, threshold);
  return order.index_select(0, at::tensor(places, at::kLong)).to(boxes.device());
}
