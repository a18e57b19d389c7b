// How much boxes overlap.
#include "kernels/detection/detection.h"

using namespace ctorch;

at::Tensor ctorch::box_iou(const at::Tensor &a, const at::Tensor &b) {
  TORCH_CHECK(a.dim() == 2 && a.size(1) == 4 && b.dim() == 2 && b.size(1) == 4,
              "the overlap of M×4 and N×4 boxes, not of ", a.sizes(), " and ", b.sizes());
  const auto corner = [](const at::Tensor &x, int64_t i) { return x.detach().select(1, i); };
  const auto column = [&](int64_t i) { return corner(a, i).unsqueeze(1); };
  const auto side = [&](int64_t low, int64_t high) {
    return (at::minimum(column(high), corner(b, high)) - at::maximum(column(low), corner(b, low)))
        .clamp_min(0);
  };
  const at::Tensor common = side(0, 2) * side(1, 3);
  const at::Tensor area = (column(2) - column(0)) * (column(3) - column(1)),
                   other = (corner(b, 2) - corner(b, 0)) * (corner(b, 3) - corner(b, 1));
  return at::where(common > 0, common / (area + other - common), at::zeros({}, common.options()));
}
