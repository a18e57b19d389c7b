// Loops on LibTorch's threads.
#pragma once

#include <c10/util/FunctionRef.h>

#include <cstdint>

namespace ctorch {

/// Runs body(begin, end) over 0..<count on LibTorch's threads, a contiguous part each. The body computes on
/// plain memory: the other threads do not have this one's settings for tensors.
///
/// Not at::parallel_for: that is a template which is serial wherever the compiler has no OpenMP, and Swift's
/// has none (docs/decisions/0020).
void in_parallel(int64_t count, c10::function_ref<void(int64_t begin, int64_t end)> body);

/// Runs body(i) for 0..<count in the same way.
template <class Body>
void for_each_in_parallel(int64_t count, Body &&body) {
  in_parallel(count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

/// The threads for work that divides into `pieces`.
int64_t threads_for(int64_t pieces);

/// whole / part, rounded up.
inline int64_t ceil_div(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

}  // namespace ctorch
