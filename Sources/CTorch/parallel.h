// Inside the shim only.
#pragma once

#include "shim.h"

#include <c10/util/FunctionRef.h>

namespace ctorch {

/// Runs body(begin, end) over 0..<count on LibTorch's threads, a contiguous part each. The body computes on plain memory:
/// other threads know nothing of this one's settings for tensors.
///
/// Not at::parallel_for: that is a template which is serial wherever the compiler has no OpenMP, and Swift's has none
/// (docs/decisions/0020).
void in_parallel(int64_t count, c10::function_ref<void(int64_t begin, int64_t end)> body);

} // namespace ctorch
