// Loops over blocks, on threads of our own.
#pragma once

#include <c10/util/FunctionRef.h>

#include <cstdint>

namespace ctorch {

/// Runs body(i) once for every i of 0..<count, on at most as many threads as this one's LibTorch may use. A
/// thread that is free takes the next block, and nobody waits for a thread that has none
/// (docs/decisions/0023).
///
/// The result must not depend on which thread computes a block: cut the work by its shape, and add partial
/// sums in the blocks' order. LibTorch's operations within the body run on the body's thread alone and record
/// no graph. An error of a body is thrown here, after the others have ended.
void for_each_in_parallel(int64_t count, c10::function_ref<void(int64_t)> body);

/// While it lives, LibTorch's operations called from this thread use no other.
class OneThread {
public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread &) = delete;
  OneThread &operator=(const OneThread &) = delete;

private:
  int torch_before, mkl_before;
};

/// The blocks that an operation is cut into where it is large enough: enough for that many threads, and so
/// many that one on a busy core does not hold up the others. Another number makes other bits: raise the
/// version in Sources/Training/Loop/Kernels.swift.
constexpr int64_t enough_blocks = 32;

/// whole / part, rounded up.
inline int64_t ceil_div(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

}  // namespace ctorch
