// RoIAlign on channels-last maps: a box's bins read whole pixels, all channels at a time.
#include "kernels/detection/detection.h"
#include "kernels/detection/pixels.h"
#include "kernels/detection/torchvision.h"
#include "kernels/element.h"
#include "kernels/parallel.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

using namespace ctorch;
using namespace ctorch::detection;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

constexpr auto channels_last = at::MemoryFormat::ChannelsLast;

/// R×5 boxes on the CPU as rows of T.
template <class T>
std::vector<BoxWeights<T>> all_weights(const at::Tensor &boxes, int64_t images, int64_t height, int64_t width,
                                       const RoIAlignArguments &how) {
  const T *rows = boxes.data_ptr<T>();
  std::vector<BoxWeights<T>> result(boxes.size(0));
  constexpr int64_t block = 16;
  for_each_in_parallel(ceil_div(boxes.size(0), block), [&](int64_t i) {
    for (int64_t r = i * block; r < std::min(boxes.size(0), (i + 1) * block); ++r) {
      result[r] = box_weights(rows + 5 * r, height, width, how);
      TORCH_CHECK(result[r].image >= 0 && result[r].image < images, "box ", r, " lies in image ",
                  result[r].image, " of ", images);
    }
  });
  return result;
}

template <class T>
at::Tensor forward_of(const at::Tensor &x, const at::Tensor &boxes, const RoIAlignArguments &how) {
  const int64_t channels = x.size(1), height = x.size(2), width = x.size(3), bins = how.rows * how.columns;
  const at::Tensor y =
      at::empty({boxes.size(0), channels, how.rows, how.columns}, x.options(), channels_last);
  const auto weights = all_weights<T>(boxes, x.size(0), height, width, how);
  const T *from = x.data_ptr<T>();
  T *to = y.data_ptr<T>();
  for_each_in_parallel(boxes.size(0), [&](int64_t r) {
    const BoxWeights<T> &box = weights[r];
    const T *image = from + box.image * height * width * channels;
    for (int64_t i = 0; i < how.rows; ++i)
      for (int64_t j = 0; j < how.columns; ++j)
        weighted_pixels(image, width, channels, box.y[i], box.x[j],
                        to + (r * bins + i * how.columns + j) * channels);
  });
  return y;
}

/// A box as its pixels see it.
template <class T>
struct ReversedBox {
  int64_t image, row, column;  // the first row and column that it reaches
  Weights<T> y, x;             // by pixels, of bins
};

/// The gradient row by row: all boxes that reach a row add to it, in their order.
template <class T>
at::Tensor backward_of(const at::Tensor &dy, const at::Tensor &boxes, at::IntArrayRef shape,
                       const RoIAlignArguments &how) {
  const int64_t channels = shape[1], height = shape[2], width = shape[3], bins = how.rows * how.columns;
  const at::Tensor dx = at::empty(shape, dy.options(), channels_last);
  const auto weights = all_weights<T>(boxes, shape[0], height, width, how);
  std::vector<ReversedBox<T>> reversed(weights.size());
  for_each_in_parallel(static_cast<int64_t>(weights.size()), [&](int64_t r) {
    ReversedBox<T> &box = reversed[r];
    box.image = weights[r].image;
    box.y = weights[r].y.transposed(box.row);
    box.x = weights[r].x.transposed(box.column);
  });
  const T *from = dy.data_ptr<T>();
  T *to = dx.data_ptr<T>();
  for_each_in_parallel(shape[0] * height, [&](int64_t row) {
    const int64_t image = row / height, y = row % height;
    T *pixels = to + row * width * channels;
    std::fill(pixels, pixels + width * channels, T(0));
    for (size_t r = 0; r < reversed.size(); ++r) {
      const ReversedBox<T> &box = reversed[r];
      if (box.image != image || y < box.row || y - box.row >= box.y.count()) continue;
      for (int64_t j = 0; j < box.x.count(); ++j)
        add_weighted_pixels(from + r * bins * channels, how.columns, channels, box.y[y - box.row], box.x[j],
                            pixels + (box.column + j) * channels);
    }
  });
  return dx;
}

struct RoIAlign : torch::autograd::Function<RoIAlign> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &boxes,
                            int64_t rows, int64_t columns, double scale, int64_t ratio, bool aligned) {
    const at::Tensor x = input.contiguous(channels_last);
    context->save_for_backward({boxes});
    context->saved_data["shape"] = x.sizes();
    context->saved_data["bins"] = std::vector<int64_t>{rows, columns, ratio};
    context->saved_data["scale"] = scale;
    context->saved_data["aligned"] = aligned;
    const RoIAlignArguments how{rows, columns, scale, ratio, aligned};
    return with_element(x, [&]<class T>(T) { return forward_of<T>(x, boxes, how); });
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of RoIAlign has no gradient of its own here");
    const at::Tensor boxes = context->get_saved_variables()[0];
    const std::vector<int64_t> shape = context->saved_data["shape"].toIntVector(),
                               bins = context->saved_data["bins"].toIntVector();
    const RoIAlignArguments how{bins[0], bins[1], context->saved_data["scale"].toDouble(), bins[2],
                                context->saved_data["aligned"].toBool()};
    const at::Tensor dy = outputs[0].contiguous(channels_last);
    return {with_element(dy, [&]<class T>(T) { return backward_of<T>(dy, boxes, shape, how); }),
            {},
            {},
            {},
            {},
            {},
            {}};
  }
};

}  // namespace

at::Tensor ctorch::roi_align(const at::Tensor &x, const at::Tensor &boxes, const RoIAlignArguments &how) {
  TORCH_CHECK(x.dim() == 4 && boxes.dim() == 2 && boxes.size(1) == 5, "RoIAlign takes N×C×H×W and R×5, not ",
              x.sizes(), " and ", boxes.sizes());
  TORCH_CHECK(how.rows > 0 && how.columns > 0 && how.ratio >= 0, "RoIAlign to ", how.rows, "×", how.columns,
              " bins of ", how.ratio, " samples a side");
  if (!x.is_cpu()) {
    if (const auto y = torchvision_roi_align(x, boxes, how)) return *y;
    return roi_align_composed(x, boxes, how);
  }
  // Numbers with 8 bits of mantissa cannot be added up.
  const at::Tensor wide = at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
  const at::Tensor places = boxes.detach().to(at::kCPU, wide.scalar_type()).contiguous();
  return RoIAlign::apply(wide, places, how.rows, how.columns, how.scale, how.ratio, how.aligned)
      .to(x.scalar_type());
}
