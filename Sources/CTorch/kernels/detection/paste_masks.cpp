// Masks of boxes become masks of the image.
#include "kernels/detection/detection.h"
#include "kernels/parallel.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace ctorch;

namespace {

/// Where a pixel of the image falls on one axis of the mask: between `low` and `low` + 1, which may lie
/// outside, where the mask is 0.
template <class T>
struct Place {
  int64_t low;
  T beyond;  // of low, 0…1
};

/// The pixels of the image whose value may differ from 0, and their places.
template <class T>
struct Axis {
  int64_t first = 0;
  std::vector<Place<T>> places;
};

template <class T>
Axis<T> axis_of(T low, T high, int64_t size, int64_t image) {
  Axis<T> result;
  const T length = high - low;
  if (!std::isfinite(low) || !std::isfinite(high) || !(length > 0)) return result;
  const auto bound = [&](T place) {
    return static_cast<int64_t>(std::clamp(place, T(0), static_cast<T>(image)));
  };
  // Half a pixel of the mask lies around its outer pixels' centres.
  const T margin = length / static_cast<T>(2 * size) + 1;
  result.first = bound(std::floor(low - margin));
  for (int64_t i = result.first; i < bound(std::ceil(high + margin)); ++i) {
    const T place = (static_cast<T>(i) + T(0.5) - low) / length * static_cast<T>(size) - T(0.5);
    const T below = std::floor(std::clamp(place, T(-2), static_cast<T>(size + 1)));
    result.places.push_back({static_cast<int64_t>(below), place - below});
  }
  return result;
}

template <class T>
void paste(const T *mask, int64_t rows, int64_t columns, const Axis<T> &y, const Axis<T> &x, int64_t width,
           T threshold, uint8_t *out) {
  std::vector<T> line(columns + 5);  // zeros: two before, three behind, which a small box reaches
  for (size_t i = 0; i < y.places.size(); ++i) {
    const auto [row, below] = y.places[i];
    const bool has_upper = row >= 0 && row < rows, has_lower = row + 1 >= 0 && row + 1 < rows;
    if (!has_upper && !has_lower) continue;
    for (int64_t j = 0; j < columns; ++j)
      line[j + 2] = (has_upper ? (1 - below) * mask[row * columns + j] : T(0)) +
                    (has_lower ? below * mask[(row + 1) * columns + j] : T(0));
    uint8_t *to = out + (y.first + static_cast<int64_t>(i)) * width + x.first;
    for (size_t j = 0; j < x.places.size(); ++j) {
      const auto [column, beyond] = x.places[j];
      to[j] = (1 - beyond) * line[column + 2] + beyond * line[column + 3] >= threshold;
    }
  }
}

template <class T>
void paste_all(const at::Tensor &masks, const at::Tensor &boxes, const at::Tensor &out, double threshold) {
  const int64_t rows = masks.size(1), columns = masks.size(2), height = out.size(1), width = out.size(2);
  for_each_in_parallel(masks.size(0), [&](int64_t r) {
    uint8_t *image = out.data_ptr<uint8_t>() + r * height * width;
    std::fill(image, image + height * width, uint8_t(0));
    const T *box = boxes.data_ptr<T>() + 4 * r;
    paste(masks.data_ptr<T>() + r * rows * columns, rows, columns, axis_of(box[1], box[3], rows, height),
          axis_of(box[0], box[2], columns, width), width, static_cast<T>(threshold), image);
  });
}

}  // namespace

at::Tensor ctorch::paste_masks(const at::Tensor &masks, const at::Tensor &boxes, int64_t height,
                               int64_t width, double threshold) {
  TORCH_CHECK(masks.dim() == 3 && boxes.dim() == 2 && boxes.size(0) == masks.size(0) && boxes.size(1) == 4,
              "masks of R×h×w and boxes of R×4, not ", masks.sizes(), " and ", boxes.sizes());
  TORCH_CHECK(threshold > 0 && height >= 0 && width >= 0, "masks of ", height, "×", width,
              " pixels with the threshold ", threshold);
  const auto type = masks.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor own = masks.detach().to(at::kCPU, type).contiguous(),
                   places = boxes.detach().to(at::kCPU, type).contiguous();
  const at::Tensor out = at::empty({masks.size(0), height, width}, at::kByte);
  type == at::kDouble ? paste_all<double>(own, places, out, threshold)
                      : paste_all<float>(own, places, out, threshold);
  return out.to(masks.device());
}
