#include "kernels/detection/torchvision.h"

#include <ATen/core/dispatch/Dispatcher.h>

using namespace ctorch;

namespace {

/// The operator, if it has a kernel for the key.
std::optional<c10::OperatorHandle> found(const char *name, c10::DispatchKey key) {
  const auto handle = c10::Dispatcher::singleton().findSchema({name, ""});
  return handle && handle->hasKernelForDispatchKey(key) ? handle : std::nullopt;
}

c10::DispatchKey key_of(const at::Tensor &x) {
  return x.is_cuda() ? c10::DispatchKey::CUDA : x.is_mps() ? c10::DispatchKey::MPS : c10::DispatchKey::CPU;
}

}  // namespace

bool ctorch::has_torchvision() {
  return found("torchvision::roi_align", c10::DispatchKey::CUDA) &&
         found("torchvision::nms", c10::DispatchKey::CUDA);
}

std::optional<at::Tensor> ctorch::torchvision_roi_align(const at::Tensor &x, const at::Tensor &boxes,
                                                        const RoIAlignArguments &how) {
  using Function =
      at::Tensor(const at::Tensor &, const at::Tensor &, double, c10::SymInt, c10::SymInt, int64_t, bool);
  const auto handle = found("torchvision::roi_align", key_of(x));
  if (!handle) return std::nullopt;
  // Its kernels have no bfloat16.
  const at::Tensor wide = at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
  return handle->typed<Function>()
      .call(wide, boxes.detach().to(wide.device(), wide.scalar_type()), how.scale, how.rows, how.columns,
            how.ratio, how.aligned)
      .to(x.scalar_type());
}

std::optional<at::Tensor> ctorch::torchvision_nms(const at::Tensor &boxes, const at::Tensor &scores,
                                                  double threshold) {
  using Function = at::Tensor(const at::Tensor &, const at::Tensor &, double);
  const auto handle = found("torchvision::nms", key_of(boxes));
  if (!handle) return std::nullopt;
  const auto type = boxes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return handle->typed<Function>().call(boxes.detach().to(type), scores.detach().to(type), threshold);
}
