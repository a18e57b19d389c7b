#include "kernels/neighbours/neighbours.h"
#include "kernels/parallel.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mv.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

/// Image by image, so that the chosen rows of only a few images are in memory at once.
struct RowProducts : torch::autograd::Function<RowProducts> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &queries, const at::Tensor &rows,
                            const at::Tensor &indices) {
    RECORD_FUNCTION("ctorch::row_products", std::vector<c10::IValue>({queries, rows}));
    context->save_for_backward({rows, indices});
    const at::Tensor q = queries.contiguous(), y = at::empty(indices.sizes(), queries.options());
    for_each_in_parallel(y.size(0), [&](int64_t i) {
      at::Tensor own = y[i];
      at::mv_out(own, rows.index_select(0, indices[i]), q[i]);
    });
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "a product's gradient has no gradient of its own here");
    RECORD_FUNCTION("ctorch::row_products_backward", std::vector<c10::IValue>({outputs[0]}));
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &rows = saved[0], &indices = saved[1], dy = outputs[0].contiguous(),
                     dq = at::empty({dy.size(0), rows.size(1)}, dy.options());
    for_each_in_parallel(dy.size(0), [&](int64_t i) {
      at::Tensor own = dq[i];
      at::mv_out(own, rows.index_select(0, indices[i]).t(), dy[i]);
    });
    return {dq, {}, {}};
  }
};

}  // namespace

at::Tensor ctorch::row_products(const at::Tensor &queries, const at::Tensor &rows,
                                const at::Tensor &indices) {
  TORCH_CHECK(queries.dim() == 2 && rows.dim() == 2 && queries.size(1) == rows.size(1), "queries of shape ",
              queries.sizes(), " do not fit rows of shape ", rows.sizes());
  TORCH_CHECK(indices.dim() == 2 && indices.size(0) == queries.size(0), "rows' numbers of shape ",
              indices.sizes(), " for ", queries.size(0), " queries");
  const bool is_ours =
      queries.is_cpu() && rows.is_cpu() && queries.scalar_type() == rows.scalar_type() && indices.numel() > 0;
  if (is_ours) return RowProducts::apply(queries, rows, indices);
  const at::Tensor chosen =
      rows.index_select(0, indices.reshape({-1})).view({indices.size(0), indices.size(1), rows.size(1)});
  return at::matmul(chosen, queries.unsqueeze(2)).squeeze(2);
}
