#include "kernels/parallel.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>

#include <algorithm>

void ctorch::in_parallel(int64_t count, c10::function_ref<void(int64_t begin, int64_t end)> body) {
  // LibTorch's own loop over a tensor's elements is compiled with its threads: here the elements are the
  // indices.
  at::Tensor indices = at::arange(count, at::kLong);
  at::TensorIterator::nullary_op(indices).for_each(
      [&](char **elements, const int64_t *, int64_t size) {
        const int64_t begin = *reinterpret_cast<const int64_t *>(elements[0]);
        body(begin, begin + size);
      },
      /*grain_size=*/1);
}

int64_t ctorch::threads_for(int64_t pieces) { return std::min<int64_t>(at::get_num_threads(), pieces); }
