// RoIAlign from matrix products, for devices without a kernel: rows of pixels are weighted, then columns. The
// weights are dense matrices, made on the CPU.
#include "kernels/detection/detection.h"
#include "kernels/detection/weights.h"
#include "kernels/parallel.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

using namespace ctorch;
using namespace ctorch::detection;

namespace {

template <class T>
void fill(const Weights<T> &weights, T *to, int64_t size) {
  for (int64_t i = 0; i < weights.count(); ++i)
    for (int64_t j = 0; j < weights.rows[i].count; ++j)
      to[i * size + weights.rows[i].first + j] = weights.values[weights.rows[i].at + j];
}

/// The boxes' images, and their weights: R×rows×H and R×columns×W.
struct Dense {
  std::vector<int64_t> images;
  at::Tensor y, x;
};

template <class T>
Dense dense(const at::Tensor &boxes, int64_t height, int64_t width, const RoIAlignArguments &how) {
  const int64_t count = boxes.size(0);
  const Dense result{std::vector<int64_t>(count), at::zeros({count, how.rows, height}, boxes.options()),
                     at::zeros({count, how.columns, width}, boxes.options())};
  std::vector<int64_t> images(count);
  for (int64_t r = 0; r < count; ++r) {
    const auto one = box_weights(boxes.data_ptr<T>() + 5 * r, height, width, how);
    images[r] = one.image;
    fill(one.y, result.y.data_ptr<T>() + r * how.rows * height, height);
    fill(one.x, result.x.data_ptr<T>() + r * how.columns * width, width);
  }
  return {images, result.y, result.x};
}

}  // namespace

at::Tensor ctorch::roi_align_composed(const at::Tensor &x, const at::Tensor &boxes,
                                      const RoIAlignArguments &how) {
  const int64_t channels = x.size(1), height = x.size(2), width = x.size(3);
  const at::Tensor wide = at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
  const at::Tensor places = boxes.detach().to(at::kCPU, wide.scalar_type()).contiguous();
  const Dense weights = places.scalar_type() == at::kDouble ? dense<double>(places, height, width, how)
                                                            : dense<float>(places, height, width, how);
  const at::Tensor y = weights.y.to(wide.device()), columns = weights.x.to(wide.device());
  // So many boxes that the rows between the two products take about 256 MB.
  const int64_t block = std::max<int64_t>(1, (1 << 26) / std::max<int64_t>(1, how.rows * width * channels));
  std::vector<at::Tensor> parts{wide.new_empty({0, channels, how.rows, how.columns})};
  for (int64_t r = 0; r < boxes.size(0);) {
    const int64_t image = weights.images[r];
    TORCH_CHECK(image >= 0 && image < x.size(0), "box ", r, " lies in image ", image, " of ", x.size(0));
    int64_t end = r + 1;
    while (end < boxes.size(0) && end - r < block && weights.images[end] == image) ++end;
    const int64_t count = end - r;
    const at::Tensor map = wide[image].permute({1, 2, 0}).reshape({height, width * channels});
    const at::Tensor rows =
        at::matmul(y.narrow(0, r, count).reshape({-1, height}), map).view({count, how.rows, width, channels});
    const at::Tensor bins = at::matmul(columns.narrow(0, r, count).unsqueeze(1), rows);  // R×rows×columns×C
    parts.push_back(bins.permute({0, 3, 1, 2}));
    r = end;
  }
  return at::cat(parts).to(x.scalar_type());
}
