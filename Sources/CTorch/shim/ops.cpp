#include "kernels/pointwise.h"
#include "kernels/product/product.h"
#include "kernels/reductions.h"
#include "shim/shim.h"

#include <ATen/ATen.h>

using namespace ctorch;

ct_status ct_add(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::add(unwrap(a), unwrap(b)); });
}
ct_status ct_sub(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::sub(unwrap(a), unwrap(b)); });
}
ct_status ct_mul(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::mul(unwrap(a), unwrap(b)); });
}
ct_status ct_div(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::div(unwrap(a), unwrap(b)); });
}
ct_status ct_add_scalar(ct_tensor **out, const ct_tensor *a, double b) {
  return produce(out, [&] { return at::add(unwrap(a), b); });
}
ct_status ct_mul_scalar(ct_tensor **out, const ct_tensor *a, double b) {
  return produce(out, [&] { return at::mul(unwrap(a), b); });
}
ct_status ct_div_scalar(ct_tensor **out, const ct_tensor *a, double b) {
  return produce(out, [&] { return at::div(unwrap(a), b); });
}
ct_status ct_rsub_scalar(ct_tensor **out, const ct_tensor *a, double b) {
  return produce(out, [&] { return at::rsub(unwrap(a), b); });
}
ct_status ct_pow_scalar(ct_tensor **out, const ct_tensor *a, double b) {
  return produce(out, [&] { return ctorch::pow(unwrap(a), b); });
}
ct_status ct_power_of(ct_tensor **out, double base, const ct_tensor *a) {
  return produce(out, [&] { return at::pow(at::Scalar(base), unwrap(a)); });
}
ct_status ct_minimum(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::minimum(unwrap(a), unwrap(b)); });
}
ct_status ct_maximum(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::maximum(unwrap(a), unwrap(b)); });
}
ct_status ct_clamp(ct_tensor **out, const ct_tensor *a, double low, double high) {
  return produce(out, [&] { return at::clamp(unwrap(a), low, high); });
}

ct_status ct_exp(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::exp(unwrap(a)); });
}
ct_status ct_log(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::log(unwrap(a)); });
}
ct_status ct_sigmoid(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return ctorch::sigmoid(unwrap(a)); });
}
ct_status ct_log_sigmoid(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::log_sigmoid(unwrap(a)); });
}
ct_status ct_sin(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::sin(unwrap(a)); });
}
ct_status ct_cos(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::cos(unwrap(a)); });
}
ct_status ct_sqrt(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::sqrt(unwrap(a)); });
}
ct_status ct_abs(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::abs(unwrap(a)); });
}
ct_status ct_floor(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::floor(unwrap(a)); });
}
ct_status ct_round(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::round(unwrap(a)); });
}
ct_status ct_isfinite(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::isfinite(unwrap(a)); });
}

namespace {
template <class Right>
at::Tensor compared(const at::Tensor &a, const Right &b, ct_comparison how) {
  switch (how) {
    case CT_EQ: return at::eq(a, b);
    case CT_NE: return at::ne(a, b);
    case CT_LT: return at::lt(a, b);
    case CT_LE: return at::le(a, b);
    case CT_GT: return at::gt(a, b);
    case CT_GE: return at::ge(a, b);
  }
  TORCH_CHECK(false, "unknown comparison ", static_cast<int>(how));
}
}  // namespace

ct_status ct_compare(ct_tensor **out, const ct_tensor *a, const ct_tensor *b, ct_comparison how) {
  return produce(out, [&] { return compared(unwrap(a), unwrap(b), how); });
}
ct_status ct_compare_scalar(ct_tensor **out, const ct_tensor *a, double b, ct_comparison how) {
  return produce(out, [&] { return compared(unwrap(a), at::Scalar(b), how); });
}
ct_status ct_logical_and(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::logical_and(unwrap(a), unwrap(b)); });
}
ct_status ct_logical_or(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::logical_or(unwrap(a), unwrap(b)); });
}
ct_status ct_logical_not(ct_tensor **out, const ct_tensor *a) {
  return produce(out, [&] { return at::logical_not(unwrap(a)); });
}
ct_status ct_where(ct_tensor **out, const ct_tensor *condition, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return at::where(unwrap(condition), unwrap(a), unwrap(b)); });
}

ct_status ct_matmul(ct_tensor **out, const ct_tensor *a, const ct_tensor *b) {
  return produce(out, [&] { return ctorch::matmul(unwrap(a), unwrap(b)); });
}

ct_status ct_sum(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep) {
  return produce(out, [&] { return ctorch::sum(unwrap(x), ints(dims, count), keep); });
}
ct_status ct_mean(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep) {
  return produce(out, [&] { return ctorch::mean(unwrap(x), ints(dims, count), keep); });
}
ct_status ct_norm(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep) {
  return produce(out, [&] {
    return at::linalg_vector_norm(unwrap(x), 2,
                                  count ? at::OptionalIntArrayRef(ints(dims, count)) : std::nullopt, keep);
  });
}
ct_status ct_amax(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep) {
  return produce(out, [&] { return at::amax(unwrap(x), ints(dims, count), keep); });
}
ct_status ct_amin(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep) {
  return produce(out, [&] { return at::amin(unwrap(x), ints(dims, count), keep); });
}
ct_status ct_all(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return at::all(unwrap(x)); });
}
ct_status ct_argmax(ct_tensor **out, const ct_tensor *x, int64_t dim) {
  return produce(out, [&] { return at::argmax(unwrap(x), dim); });
}
ct_status ct_argsort(ct_tensor **out, const ct_tensor *x, int64_t dim, bool descending) {
  return produce(out, [&] { return at::argsort(unwrap(x), /*stable=*/true, dim, descending); });
}
ct_status ct_nonzero(ct_tensor **out, const ct_tensor *x) {
  return produce(out, [&] { return at::nonzero(unwrap(x)); });
}
ct_status ct_topk(ct_tensor **values, ct_tensor **indices, const ct_tensor *x, int64_t k, int64_t dim) {
  *values = *indices = nullptr;
  return guarded([&] {
    auto [top, where] = at::topk(unwrap(x), k, dim);
    *values = wrap(std::move(top));
    *indices = wrap(std::move(where));
  });
}
ct_status ct_logsumexp(ct_tensor **out, const ct_tensor *x, int64_t dim, bool keep) {
  return produce(out, [&] { return at::logsumexp(unwrap(x), dim, keep); });
}

ct_status ct_reshape(ct_tensor **out, const ct_tensor *x, const int64_t *shape, size_t rank) {
  return produce(out, [&] { return at::reshape(unwrap(x), ints(shape, rank)); });
}
ct_status ct_permute(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t rank) {
  return produce(out, [&] { return at::permute(unwrap(x), ints(dims, rank)); });
}
ct_status ct_expand(ct_tensor **out, const ct_tensor *x, const int64_t *shape, size_t rank) {
  return produce(out, [&] { return unwrap(x).expand(ints(shape, rank)); });
}
ct_status ct_narrow(ct_tensor **out, const ct_tensor *x, int64_t dim, int64_t start, int64_t length) {
  return produce(out, [&] { return at::narrow(unwrap(x), dim, start, length); });
}
ct_status ct_select(ct_tensor **out, const ct_tensor *x, int64_t dim, int64_t index) {
  return produce(out, [&] { return at::select(unwrap(x), dim, index); });
}
ct_status ct_flip(ct_tensor **out, const ct_tensor *x, int64_t dim) {
  return produce(out, [&] { return at::flip(unwrap(x), {dim}); });
}
ct_status ct_index_select(ct_tensor **out, const ct_tensor *x, int64_t dim, const ct_tensor *index) {
  return produce(out, [&] { return at::index_select(unwrap(x), dim, unwrap(index)); });
}
ct_status ct_gather(ct_tensor **out, const ct_tensor *x, int64_t dim, const ct_tensor *index) {
  return produce(out, [&] { return at::gather(unwrap(x), dim, unwrap(index)); });
}
ct_status ct_cat(ct_tensor **out, const ct_tensor *const *tensors, size_t count, int64_t dim) {
  return produce(out, [&] { return at::cat(list(tensors, count), dim); });
}
ct_status ct_stack(ct_tensor **out, const ct_tensor *const *tensors, size_t count, int64_t dim) {
  return produce(out, [&] { return at::stack(list(tensors, count), dim); });
}

ct_status ct_copy_(ct_tensor *x, const ct_tensor *source) {
  return guarded([&] { x->value.copy_(unwrap(source)); });
}
ct_status ct_fill_(ct_tensor *x, double value) {
  return guarded([&] { x->value.fill_(value); });
}
ct_status ct_add_scaled_(ct_tensor *x, const ct_tensor *y, double scale) {
  // An integer tensor takes only an integer factor.
  const int64_t whole = static_cast<int64_t>(scale);
  return guarded([&] { x->value.add_(unwrap(y), whole == scale ? at::Scalar(whole) : at::Scalar(scale)); });
}
ct_status ct_mul_scalar_(ct_tensor *x, double value) {
  return guarded([&] { x->value.mul_(value); });
}
ct_status ct_mul_(ct_tensor *x, const ct_tensor *y) {
  return guarded([&] { x->value.mul_(unwrap(y)); });
}
ct_status ct_clamp_(ct_tensor *x, double low, double high) {
  return guarded([&] { x->value.clamp_(low, high); });
}
ct_status ct_floor_(ct_tensor *x) {
  return guarded([&] { x->value.floor_(); });
}
ct_status ct_index_copy_(ct_tensor *x, int64_t dim, const ct_tensor *index, const ct_tensor *source) {
  return guarded([&] { x->value.index_copy_(dim, unwrap(index), unwrap(source)); });
}
ct_status ct_index_add_(ct_tensor *x, int64_t dim, const ct_tensor *index, const ct_tensor *source) {
  return guarded([&] { x->value.index_add_(dim, unwrap(index), unwrap(source)); });
}
