#include "kernels/attention.h"

#include "kernels/product/bfloat16.h"

#include <ATen/ops/scaled_dot_product_attention.h>

at::Tensor ctorch::attention(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v) {
  const at::Tensor queries = factor(q), keys = factor(k), values = factor(v);
  const bool is_widened = q.is_cpu() && widens_bfloat16() && queries.scalar_type() == at::kBFloat16;
  if (!is_widened) return at::scaled_dot_product_attention(queries, keys, values);
  const WithoutAutocast plain(autocast_keys);
  return at::scaled_dot_product_attention(widened(queries), widened(keys), widened(values)).to(at::kBFloat16);
}
