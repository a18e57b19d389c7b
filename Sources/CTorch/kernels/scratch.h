// Memory of one call.
#pragma once

#include <c10/core/CPUAllocator.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace ctorch {

/// Uninitialised floats at a multiple of 64 bytes, from where tensors have theirs: running out of memory is
/// the same error.
class Scratch {
public:
  explicit Scratch(int64_t count)
      : numbers(static_cast<float *>(c10::GetCPUAllocator()->raw_allocate(count * sizeof(float)))) {}
  ~Scratch() { c10::GetCPUAllocator()->raw_deallocate(numbers); }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;

  Scratch(Scratch &&other) noexcept : numbers(std::exchange(other.numbers, nullptr)) {}

  static Scratch zeros(int64_t count) {
    Scratch result(count);
    if (count > 0) std::memset(result.numbers, 0, count * sizeof(float));
    return result;
  }

  /// Null for a count of 0.
  float *data() const { return numbers; }

private:
  float *numbers;
};

}  // namespace ctorch
