// Cross-entropy of enlarged logits, and its gradient in the same pass: the rows between two of the small
// map's are a block, whose sums for these two are added in the blocks' order.
#include "kernels/element.h"
#include "kernels/parallel.h"
#include "kernels/segmentation/rows.h"
#include "kernels/segmentation/segmentation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ne.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

using namespace ctorch;
using namespace ctorch::segmentation;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

/// The labels of a row, negative where they are ignored.
template <class Label>
int64_t read_labels(const Label *from, int64_t width, int64_t classes, int64_t ignored, int32_t *to) {
  int64_t counted = 0;
  for (int64_t i = 0; i < width; ++i) {
    const int64_t label = from[i];
    TORCH_CHECK(label == ignored || (label >= 0 && label < classes), "the label ", label, " of ", classes,
                " classes, with ", ignored, " for pixels that are ignored");
    to[i] = label == ignored ? -1 : static_cast<int32_t>(label);
    counted += label != ignored;
  }
  return counted;
}

/// The loss of N×h×w×C logits, and where it is wanted their gradient.
template <class T>
class Pass {
public:
  Pass(const at::Tensor &logits, const at::Tensor &labels, int64_t ignored, bool align_corners,
       bool has_gradient)
      : logits(logits.data_ptr<T>()),
        labels(labels),
        images(logits.size(0)),
        small(logits.size(1)),
        classes(logits.size(3)),
        height(labels.size(1)),
        width(labels.size(2)),
        ignored(ignored),
        rows(places(small, height, align_corners)),
        parts(intervals(rows)),
        columns(logits.size(2), width, align_corners),
        has_gradient(has_gradient),
        sums(images * parts.size()) {
    if (has_gradient) partial = at::empty({images * count(), 2, columns.small() * classes}, logits.options());
    for_each_in_parallel(images * count(), [&](int64_t i) { run(i); });
    for (const Sum &sum : sums) loss_ += sum.loss, counted += sum.counted;
  }

  /// 0 where no pixel counts.
  double loss() const { return loss_ / divisor(); }

  /// N×h×w×C.
  void add_gradient(T *to) const {
    const int64_t size = columns.small() * classes;
    const T scale = static_cast<T>(1 / divisor());
    const T *from = partial.data_ptr<T>();
    for (int64_t i = 0; i < images * count(); ++i) {
      const Interval &part = parts[i % count()];
      T *image = to + i / count() * small * size;
      for (int64_t j = 0; j < size; ++j) image[part.low * size + j] += scale * from[2 * i * size + j];
      for (int64_t j = 0; j < size; ++j) image[part.high * size + j] += scale * from[(2 * i + 1) * size + j];
    }
  }

private:
  struct Sum {
    double loss = 0;
    int64_t counted = 0;
  };

  int64_t count() const { return static_cast<int64_t>(parts.size()); }
  double divisor() const { return static_cast<double>(std::max<int64_t>(counted, 1)); }

  int64_t read(int64_t row, int32_t *to) const {
    return labels.scalar_type() == at::kByte
               ? read_labels(labels.data_ptr<uint8_t>() + row * width, width, classes, ignored, to)
               : read_labels(labels.data_ptr<int64_t>() + row * width, width, classes, ignored, to);
  }

  /// The rows of block i.
  void run(int64_t i) {
    constexpr int64_t lanes = Columns<T>::lanes;
    const int64_t image = i / count(), size = columns.small() * classes, wide = size * lanes;
    const Interval &part = parts[i % count()];
    const T *map = logits + image * small * size;
    std::vector<T> row(size), room(classes * lanes);
    std::vector<T> slopes(has_gradient ? 3 * wide : 0);  // of the row, and of the two of the small map
    T *const slope = has_gradient ? slopes.data() : nullptr;
    std::vector<int32_t> own(columns.groups() * lanes, -1);
    Sum sum;
    for (int64_t y = part.first; y < part.end; ++y) {
      const T beyond = static_cast<T>(rows[y].beyond);
      sum.counted += read(image * height + y, own.data());
      mix(map + part.low * size, map + part.high * size, beyond, size, row.data());
      sum.loss += cross_entropy(columns, row.data(), classes, own.data(), room.data(), slope);
      if (slope) unmix(slope, beyond, wide, slope + wide, slope + 2 * wide);
    }
    sums[i] = sum;
    if (!slope) return;
    T *to = partial.template data_ptr<T>() + 2 * i * size;
    for (int64_t j = 0; j < 2 * size; ++j) {
      T total = 0;
      for (int64_t lane = 0; lane < lanes; ++lane) total += slope[wide + j * lanes + lane];
      to[j] = total;
    }
  }

  const T *logits;
  const at::Tensor &labels;
  int64_t images, small, classes, height, width, ignored;
  std::vector<Place> rows;
  std::vector<Interval> parts;
  Columns<T> columns;
  bool has_gradient;
  std::vector<Sum> sums;
  at::Tensor partial;  // blocks × 2 × (w·C)
  double loss_ = 0;
  int64_t counted = 0;
};

struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &logits, const at::Tensor &labels,
                            int64_t ignored, bool align_corners, bool has_gradient) {
    const at::Tensor rows = logits.permute({0, 2, 3, 1}).contiguous();  // N×h×w×C
    return with_element(rows, [&]<class T>(T) {
      const Pass<T> pass(rows, labels, ignored, align_corners, has_gradient);
      if (has_gradient) {
        const at::Tensor gradient = at::zeros_like(rows);
        pass.add_gradient(gradient.template data_ptr<T>());
        context->saved_data["gradient"] = gradient;
      }
      return at::full({}, pass.loss(), rows.options());
    });
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "this cross-entropy's gradient has no gradient of its own");
    const at::Tensor gradient = context->saved_data["gradient"].toTensor();
    return {(gradient * outputs[0]).permute({0, 3, 1, 2}), {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor ctorch::enlarged_cross_entropy(const at::Tensor &logits, const at::Tensor &labels, int64_t ignored,
                                          bool align_corners) {
  TORCH_CHECK(logits.dim() == 4 && labels.dim() == 3 && logits.size(0) == labels.size(0) &&
                  logits.numel() > 0 && labels.numel() > 0,
              "logits of N×C×h×w and labels of N×H×W, not ", logits.sizes(), " and ", labels.sizes());
  TORCH_CHECK(labels.scalar_type() == at::kLong || labels.scalar_type() == at::kByte,
              "labels are int64 or uint8, not ", labels.scalar_type());
  if (!logits.is_cpu()) return enlarged_cross_entropy_composed(logits, labels, ignored, align_corners);
  // Numbers with 8 bits of mantissa cannot be added up.
  const at::Tensor wide = logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
  const bool has_gradient = at::GradMode::is_enabled() && wide.requires_grad();
  return CrossEntropy::apply(wide, labels.to(at::kCPU).contiguous(), ignored, align_corners, has_gradient);
}

at::Tensor ctorch::enlarged_cross_entropy_composed(const at::Tensor &logits, const at::Tensor &labels,
                                                   int64_t ignored, bool align_corners) {
  const at::Tensor wide = logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
  const at::Tensor enlarged =
      at::upsample_bilinear2d(wide, {labels.size(1), labels.size(2)}, align_corners);  // N×C×H×W
  const at::Tensor target = labels.to(logits.device(), at::kLong);
  const at::Tensor sum = at::cross_entropy_loss(enlarged, target, {}, at::Reduction::Sum, ignored);
  return sum / at::ne(target, ignored).sum().clamp_min(1).to(sum.scalar_type());
}
