#include "kernels/resample/rows.h"

#include "kernels/simd.h"

#include <algorithm>

#ifdef CT_X86_LINUX
#include <immintrin.h>
#endif

namespace ctorch::resample {

namespace {

uint8_t level(int32_t sum, int bits) { return static_cast<uint8_t>(std::clamp(sum >> bits, 0, 255)); }

void across_plain(const Axis &axis, const uint8_t *const from[abreast], uint8_t *const to[abreast]) {
  for (int64_t i = 0; i < axis.count(); ++i)
    for (int64_t r = 0; r < abreast; ++r)
      for (int64_t channel = 0; channel < 3; ++channel) {
        const uint8_t *pixels = from[r] + 3 * axis.start(i) + channel;
        int32_t sum = 1 << (axis.bits() - 1);
        for (int64_t k = 0; k < axis.taps(i); ++k) sum += axis.weights(i)[k] * pixels[3 * k];
        to[r][3 * i + channel] = level(sum, axis.bits());
      }
}

void down_plain(const uint8_t *const *rows, const int16_t *weights, int64_t taps, int bits, uint8_t *to,
                int64_t bytes) {
  for (int64_t i = 0; i < bytes; ++i) {
    int32_t sum = 1 << (bits - 1);
    for (int64_t k = 0; k < taps; ++k) sum += weights[k] * rows[k][i];
    to[i] = level(sum, bits);
  }
}

#ifdef CT_X86_LINUX

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

__m128i load16(const uint8_t *from) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from)); }

/// Two weights, again and again.
__m256i pair(const int16_t *weights) {
  int32_t both;
  __builtin_memcpy(&both, weights, sizeof both);
  return _mm256_set1_epi32(both);
}

/// A row in each half.
__m256i two_rows(const uint8_t *a, const uint8_t *b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load16(a)), load16(b), 1);
}

/// Two rows in each of two registers. Of four pixels the first two, and the last two, become R R G G B B in
/// numbers of 16 bits, which are multiplied by pairs of weights and added in pairs.
void across_avx2(const Axis &axis, const uint8_t *const from[abreast], uint8_t *const to[abreast]) {
  const __m256i first_two =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const __m256i last_two =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
  const __m256i half = _mm256_set1_epi32(1 << (axis.bits() - 1));
  const __m128i bits = _mm_cvtsi32_si128(axis.bits());
  const int64_t count = axis.count(), stride = axis.stride();
  const int16_t *weights = axis.weights(0);
  for (int64_t i = 0; i < count; ++i, weights += stride) {
    const int64_t start = 3 * axis.start(i), end = start + 3 * axis.taps(i);
    const int16_t *weight = weights;
    __m256i sums[2] = {half, half};
    for (int64_t at = start; at < end; at += 12, weight += 4) {
      const __m256i low = pair(weight), high = pair(weight + 2);
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const __m256i pixels = two_rows(from[2 * r] + at, from[2 * r + 1] + at);
        sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, first_two), low));
        sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, last_two), high));
      }
    }
    const __m256i numbers =
        _mm256_packs_epi32(_mm256_sra_epi32(sums[0], bits), _mm256_sra_epi32(sums[1], bits));
    const __m256i levels = _mm256_packus_epi16(numbers, numbers);
    // Three bytes of each row, and one that the next pixel overwrites.
    const __m128i even = _mm256_castsi256_si128(levels), odd = _mm256_extracti128_si256(levels, 1);
    const int32_t pixels[abreast] = {_mm_cvtsi128_si32(even), _mm_cvtsi128_si32(odd),
                                     _mm_extract_epi32(even, 1), _mm_extract_epi32(odd, 1)};
#pragma unroll
    for (int r = 0; r < abreast; ++r) __builtin_memcpy(to[r] + 3 * i, &pixels[r], sizeof pixels[r]);
  }
}

void down_avx2(const uint8_t *const *rows, const int16_t *weights, int64_t taps, int bits, uint8_t *to,
               int64_t bytes) {
  const __m256i half = _mm256_set1_epi32(1 << (bits - 1));
  const __m128i shift = _mm_cvtsi32_si128(bits);
  int64_t i = 0;
  for (; i + 16 <= bytes; i += 16) {
    __m256i low = half, high = half;
    for (int64_t k = 0; k < taps; k += 2) {
      const __m128i a = load16(rows[k] + i), b = load16(rows[k + 1] + i);
      const __m256i two = pair(weights + k);
      low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)), two));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)), two));
    }
    const __m256i numbers = _mm256_packs_epi32(_mm256_sra_epi32(low, shift), _mm256_sra_epi32(high, shift));
    // The halves of `low` and `high` stand in turns.
    const __m256i ordered = _mm256_permute4x64_epi64(numbers, 0xD8);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(to + i),
                     _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1)));
  }
  for (; i < bytes; ++i) {
    int32_t sum = 1 << (bits - 1);
    for (int64_t k = 0; k < taps; ++k) sum += weights[k] * rows[k][i];
    to[i] = level(sum, bits);
  }
}

#pragma clang attribute pop

#endif

}  // namespace

const Rows plain_rows = {across_plain, down_plain};

const Rows &rows_of_this_cpu() {
#ifdef CT_X86_LINUX
  static const Rows wide = {across_avx2, down_avx2};
  static const bool is_wide = __builtin_cpu_supports("avx2");
  if (is_wide) return wide;
#endif
  return plain_rows;
}

}  // namespace ctorch::resample
