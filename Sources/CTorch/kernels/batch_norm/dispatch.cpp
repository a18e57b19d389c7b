// Batch normalisation in groups, with the shortcut and the ReLU that follow it (docs/decisions/0003).
//
// Group j holds the samples whose index is ≡ j modulo the number of groups, so that one device behaves like
// several (MoCo's ShuffleBN without a cluster). ATen's batch_norm can do this only by copying the batch into
// another layout.
#include "kernels/batch_norm/batch_norm.h"

#include "kernels/batch_norm/grouped.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

constexpr auto channels_last = at::MemoryFormat::ChannelsLast;

template <class T>
T *data(const at::Tensor &x) {
  return x.defined() ? x.data_ptr<T>() : nullptr;
}

/// The type that values stored as `type` are computed with.
at::ScalarType computed(at::ScalarType type) { return type == at::kBFloat16 ? at::kFloat : type; }

/// Calls body(S(), T()) with the type that x's values are stored in and the one they are computed with.
template <class Body>
void with_types(const at::Tensor &x, Body &&body) {
  if (x.scalar_type() == at::kDouble) return body(double(), double());
  if (x.scalar_type() == at::kBFloat16) return body(c10::BFloat16(), float());
  body(float(), float());
}

batch_norm::Sizes sizes_of(const at::Tensor &x, int64_t groups) {
  return {x.size(0), x.size(1), x.size(2) * x.size(3), groups};
}

/// scale·x + shift, plus `shortcut` where there is one, cut at 0 with `relu`.
at::Tensor normalized(const at::Tensor &x, const at::Tensor &shortcut, const at::Tensor &scale,
                      const at::Tensor &shift, int64_t groups, bool relu) {
  const at::Tensor y = at::empty_like(x);
  with_types(x, [&]<class S, class T>(S, T) {
    batch_norm::normalize<S, T>(sizes_of(x, groups), data<S>(x), data<S>(shortcut), data<T>(scale),
                                data<T>(shift), relu, data<S>(y));
  });
  return y;
}

struct GroupedBatchNorm : torch::autograd::Function<GroupedBatchNorm> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input,
                            const std::optional<at::Tensor> &optional_shortcut, const at::Tensor &weight,
                            const at::Tensor &bias, at::Tensor running_mean, at::Tensor running_var,
                            int64_t groups, double momentum, double eps, bool relu) {
    const at::Tensor x = input.contiguous(channels_last);
    const at::Tensor shortcut =
        optional_shortcut ? optional_shortcut->contiguous(channels_last) : at::Tensor();
    const at::Tensor mean = at::empty({groups, x.size(1)}, weight.options()), inverse = at::empty_like(mean);
    const batch_norm::Sizes sizes = sizes_of(x, groups);
    with_types(x, [&]<class S, class T>(S, T) {
      batch_norm::statistics(sizes, data<S>(x), data<T>(mean), data<T>(inverse), data<T>(running_mean),
                             data<T>(running_var), momentum, eps);
    });
    const at::Tensor scale = inverse * weight, shift = bias - mean * scale;
    const at::Tensor y = normalized(x, shortcut, scale, shift, groups, relu);
    // The sum with a shortcut cannot be computed again from x.
    context->save_for_backward(
        {x, weight, mean, inverse, scale, shift, shortcut.defined() ? y : at::Tensor()});
    context->saved_data["groups"] = groups;
    context->saved_data["relu"] = relu;
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &y = saved[6];
    const bool relu = context->saved_data["relu"].toBool();
    const at::Tensor dy = outputs[0].contiguous(channels_last), dx = at::empty_like(x);
    const at::Tensor dshortcut = y.defined() ? at::empty_like(x) : at::Tensor();
    const at::Tensor dweight = at::empty_like(weight), dbias = at::empty_like(weight);
    const batch_norm::Sizes sizes = sizes_of(x, context->saved_data["groups"].toInt());
    with_types(x, [&]<class S, class T>(S, T) {
      const batch_norm::Coefficients<T> with{data<T>(saved[2]), data<T>(saved[3]), data<T>(saved[4]),
                                             data<T>(saved[5])};
      batch_norm::gradients<S, T>(sizes, data<S>(x), data<S>(y), data<S>(dy), data<T>(weight), with, relu,
                                  data<S>(dx), data<S>(dshortcut), data<T>(dweight), data<T>(dbias));
    });
    return {dx, dshortcut, dweight, dbias, {}, {}, {}, {}, {}, {}};
  }
};

void check(const at::Tensor &x, const std::optional<at::Tensor> &shortcut, const BatchNorm &norm,
           int64_t groups, bool relu) {
  TORCH_CHECK(x.dim() == 4, "batch normalisation takes N×C×H×W, not ", x.sizes());
  for (const at::Tensor &one : {norm.weight, norm.bias, norm.running_mean, norm.running_var})
    TORCH_CHECK(one.dim() == 1 && one.size(0) == x.size(1) && one.is_contiguous(), "batch normalisation of ",
                one.sizes(), " channels cannot take ", x.sizes());
  TORCH_CHECK(groups > 0 && x.size(0) % groups == 0, "a batch of ", x.size(0), " does not divide into ",
              groups, " groups");
  TORCH_CHECK(x.size(0) * x.size(2) * x.size(3) > groups,
              "one value per channel has no variance: ", x.sizes(), " in ", groups, " groups");
  if (shortcut)
    TORCH_CHECK(relu && shortcut->sizes() == x.sizes() && shortcut->scalar_type() == x.scalar_type(),
                "a shortcut of ", shortcut->sizes(), " beside ", x.sizes(), " needs a ReLU and one shape");
}

}  // namespace

at::Tensor ctorch::grouped_batch_norm(const at::Tensor &x, const std::optional<at::Tensor> &shortcut,
                                      const BatchNorm &norm, int64_t groups, bool relu) {
  check(x, shortcut, norm, groups, relu);
  const at::ScalarType type = x.scalar_type();
  const bool is_ours = type == at::kFloat || type == at::kDouble || type == at::kBFloat16;
  if (!x.is_cpu() || !is_ours || norm.weight.scalar_type() != computed(type))
    return grouped_batch_norm_reference(x, shortcut, norm, groups, relu);
  return GroupedBatchNorm::apply(x, shortcut, norm.weight, norm.bias, norm.running_mean, norm.running_var,
                                 groups, norm.momentum, norm.eps, relu);
}

at::Tensor ctorch::Activation::again() const {
  return normalized(x, at::Tensor(), scale, shift, scale.size(0), true);
}

std::optional<Activation> ctorch::activation(const at::Tensor &y) {
  if (!at::GradMode::is_enabled() || y._version() != 0) return std::nullopt;
  auto *node = dynamic_cast<torch::autograd::CppNode<GroupedBatchNorm> *>(y.grad_fn().get());
  if (!node || !node->ctx_.saved_data["relu"].toBool()) return std::nullopt;
  const variable_list saved = node->ctx_.get_saved_variables();
  if (saved[6].defined()) return std::nullopt;  // it is kept
  return Activation{saved[0], saved[4], saved[5]};
}
