#include "kernels/element.h"
#include "kernels/parallel.h"
#include "kernels/segmentation/rows.h"
#include "kernels/segmentation/segmentation.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <algorithm>
#include <vector>

using namespace ctorch;
using namespace ctorch::segmentation;

namespace {

/// Of N×h×w×C logits.
template <class T>
void fill(const at::Tensor &logits, bool align_corners, const at::Tensor &to) {
  const int64_t small = logits.size(1), classes = logits.size(3), height = to.size(1), width = to.size(2);
  const std::vector<Place> rows = places(small, height, align_corners);
  const std::vector<Interval> parts = intervals(rows);
  const Columns<T> columns(logits.size(2), width, align_corners);
  const int64_t size = columns.small() * classes, count = static_cast<int64_t>(parts.size());
  for_each_in_parallel(logits.size(0) * count, [&](int64_t i) {
    const Interval &part = parts[i % count];
    const T *map = logits.data_ptr<T>() + i / count * small * size;
    std::vector<T> row(size);
    std::vector<uint8_t> found(columns.groups() * Columns<T>::lanes);
    for (int64_t y = part.first; y < part.end; ++y) {
      mix(map + part.low * size, map + part.high * size, static_cast<T>(rows[y].beyond), size, row.data());
      argmax(columns, row.data(), classes, found.data());
      std::copy_n(found.data(), width, to.data_ptr<uint8_t>() + (i / count * height + y) * width);
    }
  });
}

void check(const at::Tensor &logits, int64_t height, int64_t width) {
  TORCH_CHECK(logits.dim() == 4 && logits.numel() > 0 && logits.size(1) <= 256 && height > 0 && width > 0,
              "logits of N×C×h×w with at most 256 classes, not ", logits.sizes(), ", for ", height, "×",
              width, " pixels");
}

}  // namespace

at::Tensor ctorch::enlarged_argmax(const at::Tensor &logits, int64_t height, int64_t width,
                                   bool align_corners) {
  check(logits, height, width);
  if (!logits.is_cpu()) return enlarged_argmax_composed(logits, height, width, align_corners);
  const at::Tensor wide = logits.detach().to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  const at::Tensor rows = wide.permute({0, 2, 3, 1}).contiguous();  // N×h×w×C
  const at::Tensor to = at::empty({logits.size(0), height, width}, at::kByte);
  with_element(rows, [&]<class T>(T) { fill<T>(rows, align_corners, to); });
  return to;
}

at::Tensor ctorch::enlarged_argmax_composed(const at::Tensor &logits, int64_t height, int64_t width,
                                            bool align_corners) {
  check(logits, height, width);
  const at::Tensor wide = logits.detach().to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  std::vector<at::Tensor> found;
  for (const at::Tensor &image : wide.split(1))  // one at a time: enlarged logits take much memory
    found.push_back(
        at::argmax(at::upsample_bilinear2d(image, {height, width}, align_corners), 1).to(at::kByte));
  return at::cat(found);
}
