#include "shim/shim.h"

#include <ATen/record_function.h>

#include <mutex>
#include <string_view>

using namespace ctorch;

namespace {

struct Work {
  double operations = 0, bytes = 0;
};

std::mutex lock;
Work total;
std::optional<at::CallbackHandle> running;

double size(const at::Tensor &x) {
  return static_cast<double>(x.numel()) * static_cast<double>(x.element_size());
}

/// `result` is what one pass computes: each of its elements is a sum over the weight's inputs and kernel.
double products(double result, const at::Tensor &weight) {
  return 2 * result * static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0));
}

/// (input, weight, bias, stride, padding, dilation, …)
Work convolution(c10::ArrayRef<const c10::IValue> inputs) {
  const at::Tensor &x = inputs[0].toTensor(), &weight = inputs[1].toTensor();
  const auto stride = inputs[3].toIntVector(), padding = inputs[4].toIntVector(),
             dilation = inputs[5].toIntVector();
  const auto directions = static_cast<size_t>(x.dim() - 2);
  TORCH_CHECK(stride.size() == directions && padding.size() == directions && dilation.size() == directions,
              "a convolution in ", directions, " directions names other numbers of strides");
  double result = static_cast<double>(x.size(0) * weight.size(0));
  for (int64_t d = 0; d < x.dim() - 2; ++d) {
    const int64_t reach = dilation[d] * (weight.size(d + 2) - 1) + 1;
    result *= static_cast<double>((x.size(d + 2) + 2 * padding[d] - reach) / stride[d] + 1);
  }
  return {products(result, weight), size(x) + size(weight) + result * static_cast<double>(x.element_size())};
}

/// (gradient of the output, input, weight, …, which of input, weight and bias are wanted)
Work convolution_backward(c10::ArrayRef<const c10::IValue> inputs) {
  const at::Tensor &dy = inputs[0].toTensor(), &x = inputs[1].toTensor(), &weight = inputs[2].toTensor();
  const auto wanted = inputs[inputs.size() - 1].toBoolList();
  const double once = products(static_cast<double>(dy.numel()), weight);
  Work work;
  if (wanted[0]) work.operations += once, work.bytes += size(dy) + size(weight) + size(x);
  if (wanted[1]) work.operations += once, work.bytes += size(dy) + size(x) + size(weight);
  return work;
}

/// …×N×K times …×K×M.
Work product(const at::Tensor &a, const at::Tensor &b) {
  const double result =
      static_cast<double>(a.numel()) / static_cast<double>(a.size(-1)) * static_cast<double>(b.size(-1));
  return {2 * result * static_cast<double>(a.size(-1)),
          size(a) + size(b) + result * static_cast<double>(a.element_size())};
}

/// q·kᵀ and its softmax times v; its gradient takes five such products for two.
Work attention(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, bool is_backward) {
  const double forward = 4 * static_cast<double>(q.numel()) * static_cast<double>(k.size(-2));
  const double bytes = 2 * size(q) + size(k) + size(v);
  return is_backward ? Work{2.5 * forward, 2 * bytes} : Work{forward, bytes};
}

Work work_of(std::string_view name, c10::ArrayRef<const c10::IValue> inputs) {
  if (name == "aten::convolution" || name == "ctorch::convolution") return convolution(inputs);
  if (name == "aten::convolution_backward" || name == "ctorch::convolution_backward")
    return convolution_backward(inputs);
  if (name == "aten::mm" || name == "aten::bmm" || name == "ctorch::product")
    return product(inputs[0].toTensor(), inputs[1].toTensor());
  if (name == "aten::addmm" || name == "aten::_addmm_activation" || name == "aten::baddbmm")
    return product(inputs[1].toTensor(), inputs[2].toTensor());
  if (name.starts_with("aten::_scaled_dot_product_") && name.find("_math") == name.npos) {
    const bool is_backward = name.find("_backward") != name.npos;
    const size_t first = is_backward ? 1 : 0;
    return attention(inputs[first].toTensor(), inputs[first + 1].toTensor(), inputs[first + 2].toTensor(),
                     is_backward);
  }
  return {};
}

std::unique_ptr<at::ObserverContext> observe(const at::RecordFunction &function) {
  const Work work = work_of(function.name(), function.inputs());
  if (work.operations > 0) {
    const std::lock_guard guard(lock);
    total.operations += work.operations;
    total.bytes += work.bytes;
  }
  return nullptr;
}

}  // namespace

ct_status ct_count_begin(void) {
  return guarded([&] {
    const std::lock_guard guard(lock);
    TORCH_CHECK(!running, "work is being counted already");
    total = Work();
    // Of this thread, and of those that run its backward passes: autograd hands the observers on.
    running = at::addThreadLocalCallback(
        at::RecordFunctionCallback(observe).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  });
}

ct_status ct_count_end(double *operations, double *bytes) {
  *operations = *bytes = 0;
  return guarded([&] {
    const std::lock_guard guard(lock);
    TORCH_CHECK(running.has_value(), "no work is being counted");
    at::removeCallback(*running);
    running.reset();
    *operations = total.operations;
    *bytes = total.bytes;
  });
}
