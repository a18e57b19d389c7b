// Arithmetic, reductions, indexing. Shapes and meaning are those of the ATen function of the same name.
#pragma once

#include "ctorch_tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

ct_status ct_add(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
ct_status ct_sub(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
ct_status ct_mul(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
ct_status ct_div(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
ct_status ct_add_scalar(ct_tensor **out, const ct_tensor *a, double b);
ct_status ct_mul_scalar(ct_tensor **out, const ct_tensor *a, double b);
ct_status ct_div_scalar(ct_tensor **out, const ct_tensor *a, double b);
ct_status ct_rsub_scalar(ct_tensor **out, const ct_tensor *a, double b);  // b - a
ct_status ct_pow_scalar(ct_tensor **out, const ct_tensor *a, double b);
ct_status ct_power_of(ct_tensor **out, double base, const ct_tensor *a);  // base^a
ct_status ct_minimum(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
ct_status ct_maximum(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
ct_status ct_clamp(ct_tensor **out, const ct_tensor *a, double low, double high);

ct_status ct_exp(ct_tensor **out, const ct_tensor *a);
ct_status ct_log(ct_tensor **out, const ct_tensor *a);
ct_status ct_sigmoid(ct_tensor **out, const ct_tensor *a);
ct_status ct_log_sigmoid(ct_tensor **out, const ct_tensor *a);
ct_status ct_sin(ct_tensor **out, const ct_tensor *a);
ct_status ct_cos(ct_tensor **out, const ct_tensor *a);
ct_status ct_sqrt(ct_tensor **out, const ct_tensor *a);
ct_status ct_abs(ct_tensor **out, const ct_tensor *a);
ct_status ct_floor(ct_tensor **out, const ct_tensor *a);
ct_status ct_round(ct_tensor **out, const ct_tensor *a);
ct_status ct_isfinite(ct_tensor **out, const ct_tensor *a);

typedef enum ct_comparison { CT_EQ, CT_NE, CT_LT, CT_LE, CT_GT, CT_GE } ct_comparison;
ct_status ct_compare(ct_tensor **out, const ct_tensor *a, const ct_tensor *b, ct_comparison how);
ct_status ct_compare_scalar(ct_tensor **out, const ct_tensor *a, double b, ct_comparison how);
ct_status ct_logical_and(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
ct_status ct_logical_or(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);
ct_status ct_logical_not(ct_tensor **out, const ct_tensor *a);
ct_status ct_where(ct_tensor **out, const ct_tensor *condition, const ct_tensor *a, const ct_tensor *b);

ct_status ct_matmul(ct_tensor **out, const ct_tensor *a, const ct_tensor *b);

/// `count` 0 reduces everything.
ct_status ct_sum(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep);
ct_status ct_mean(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep);
ct_status ct_norm(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep);
ct_status ct_amax(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep);
ct_status ct_amin(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t count, bool keep);
ct_status ct_all(ct_tensor **out, const ct_tensor *x);
/// The first of equal ones.
ct_status ct_argmax(ct_tensor **out, const ct_tensor *x, int64_t dim);
/// Stable.
ct_status ct_argsort(ct_tensor **out, const ct_tensor *x, int64_t dim, bool descending);
/// The indices of what is not 0: K×rank.
ct_status ct_nonzero(ct_tensor **out, const ct_tensor *x);
ct_status ct_topk(ct_tensor **values, ct_tensor **indices, const ct_tensor *x, int64_t k, int64_t dim);
ct_status ct_logsumexp(ct_tensor **out, const ct_tensor *x, int64_t dim, bool keep);

ct_status ct_reshape(ct_tensor **out, const ct_tensor *x, const int64_t *shape, size_t rank);
ct_status ct_permute(ct_tensor **out, const ct_tensor *x, const int64_t *dims, size_t rank);
ct_status ct_expand(ct_tensor **out, const ct_tensor *x, const int64_t *shape, size_t rank);
ct_status ct_narrow(ct_tensor **out, const ct_tensor *x, int64_t dim, int64_t start, int64_t length);
ct_status ct_select(ct_tensor **out, const ct_tensor *x, int64_t dim, int64_t index);
ct_status ct_flip(ct_tensor **out, const ct_tensor *x, int64_t dim);
ct_status ct_index_select(ct_tensor **out, const ct_tensor *x, int64_t dim, const ct_tensor *index);
ct_status ct_gather(ct_tensor **out, const ct_tensor *x, int64_t dim, const ct_tensor *index);
ct_status ct_cat(ct_tensor **out, const ct_tensor *const *tensors, size_t count, int64_t dim);
ct_status ct_stack(ct_tensor **out, const ct_tensor *const *tensors, size_t count, int64_t dim);

// In place.
ct_status ct_copy_(ct_tensor *x, const ct_tensor *source);
ct_status ct_fill_(ct_tensor *x, double value);
ct_status ct_add_scaled_(ct_tensor *x, const ct_tensor *y, double scale);
ct_status ct_mul_scalar_(ct_tensor *x, double value);
ct_status ct_mul_(ct_tensor *x, const ct_tensor *y);
ct_status ct_clamp_(ct_tensor *x, double low, double high);
ct_status ct_floor_(ct_tensor *x);
ct_status ct_index_copy_(ct_tensor *x, int64_t dim, const ct_tensor *index, const ct_tensor *source);
ct_status ct_index_add_(ct_tensor *x, int64_t dim, const ct_tensor *index, const ct_tensor *source);

#ifdef __cplusplus
}
#endif
