// eˣ of vectors for x ≤ 0, as a softmax needs it.
#pragma once

#include "kernels/simd.h"

#include <array>
#include <cstdint>
#include <type_traits>

namespace ctorch::segmentation {

/// 32 bytes of numbers, and of whole numbers of the same size.
template <class T>
using Lanes = T __attribute__((vector_size(32)));
template <class T>
using Whole = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

/// Of IEEE's binary formats: 1.5 · 2^fraction, added to a number, leaves its nearest whole number in the
/// lowest bits; e^least is still a normal number; Taylor's series is exact to the last bit up to `degree` for
/// |x| ≤ ln 2 / 2.
template <class T>
struct Format;
template <>
struct Format<float> {
  static constexpr int fraction = 23, degree = 7;
  static constexpr float shift = 0x1.8p23f, least = -87;
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
};
template <>
struct Format<double> {
  static constexpr int fraction = 52, degree = 13;
  static constexpr double shift = 0x1.8p52, least = -708;
  static constexpr double ln2_high = 0x1.62e42fefap-1, ln2_low = 0x1.cf79abc9e3b3ap-40;
};

/// 1 / k! for k = 0 ... degree.
template <class T>
constexpr auto reciprocal_factorials = [] {
  std::array<T, Format<T>::degree + 1> result{};
  double product = 1;
  for (int k = 0; k <= Format<T>::degree; ++k) result[k] = static_cast<T>(1 / (product *= k > 0 ? k : 1));
  return result;
}();

/// x = eˣ, with x = n·ln 2 + r and |r| ≤ ln 2 / 2. Below `least` it is e^least. NaN stays.
template <class T>
CT_INLINE void exponential(Lanes<T> &x) {
  using F = Format<T>;
  const Lanes<T> least = Lanes<T>{} + F::least;
  x = x < least ? least : x;
  const Lanes<T> shifted = x * T(1.4426950408889634074) + F::shift;
  const Lanes<T> n = shifted - F::shift;
  const Lanes<T> r = (x - n * F::ln2_high) - n * F::ln2_low;
  Lanes<T> sum = Lanes<T>{} + reciprocal_factorials<T>[F::degree];
#pragma clang loop unroll(full)
  for (int k = F::degree - 1; k >= 0; --k) sum = sum * r + reciprocal_factorials<T>[k];
  // n is added to the exponent.
  using Bits = Lanes<Whole<T>>;
  x = (Lanes<T>)((Bits)sum + ((Bits)shifted << F::fraction));
}

}  // namespace ctorch::segmentation
