// COCO's text of run lengths: five bits a character, from 48 on; from the third run of ones and zeros on, the
// difference to the run of the same kind before.
#include "kernels/masks/masks.h"

namespace ctorch::masks {

namespace {

constexpr int64_t first_difference = 3;
constexpr int bits = 5;
constexpr int more = 1 << bits;
constexpr int sign = 1 << (bits - 1);
constexpr int base = 48;

}  // namespace

int64_t to_text(uint8_t *text, ct_run_list mask) {
  int64_t length = 0;
  for (int64_t i = 0; i < mask.count; ++i) {
    int64_t value = mask.counts[i];
    if (i >= first_difference) value -= mask.counts[i - 2];
    for (bool is_last = false; !is_last;) {
      const int digit = static_cast<int>(value & (more - 1));
      value >>= bits;
      is_last = digit & sign ? value == -1 : value == 0;
      text[length++] = static_cast<uint8_t>(base + digit + (is_last ? 0 : more));
    }
  }
  return length;
}

ct_text_fault from_text(uint32_t *counts, int64_t *count, const uint8_t *text, int64_t length) {
  int64_t made = 0;
  for (int64_t i = 0; i < length;) {
    const int64_t start = i;
    int64_t value = 0;
    for (int shift = 0;; shift += bits) {
      if (i == length) return *count = start, CT_TEXT_CUT;
      const int digit = text[i] - base;
      if (digit < 0 || digit >= 2 * more) return *count = i, CT_TEXT_CHARACTER;
      if (shift > 7 * bits) return *count = start, CT_TEXT_RANGE;
      value |= static_cast<int64_t>(digit & (more - 1)) << shift;
      ++i;
      if (digit & more) continue;
      if (digit & sign) value -= int64_t{1} << (shift + bits);
      break;
    }
    if (made >= first_difference) value += counts[made - 2];
    if (value < 0 || value > UINT32_MAX) return *count = start, CT_TEXT_RANGE;
    counts[made++] = static_cast<uint32_t>(value);
  }
  *count = made;
  return CT_TEXT_OK;
}

}  // namespace ctorch::masks
