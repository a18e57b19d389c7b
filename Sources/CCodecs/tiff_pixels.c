#include "tiff.h"

static inline uint16_t half_word(const uint8_t *at, int big_endian) {
  return big_endian ? (uint16_t)(at[0] << 8 | at[1]) : (uint16_t)(at[1] << 8 | at[0]);
}

static inline uint64_t word(const uint8_t *at, int bytes, int big_endian) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[big_endian ? i : bytes - 1 - i];
  return value;
}

// A sample of `bits` bits, the first of them the highest, as TIFF packs them.
static inline uint32_t packed_sample(const uint8_t *row, uint64_t index, int bits) {
  uint32_t value = 0;
  for (uint64_t bit = index * (uint64_t)bits; bit < (index + 1) * (uint64_t)bits; bit++) {
    value = value << 1 | (row[bit >> 3] >> (7 - (bit & 7)) & 1);
  }
  return value;
}

static double wide_sample(const tiff_format *format, const uint8_t *row, uint64_t index) {
  const int big = format->big_endian;
  switch (format->kind) {
    case tiff_signed16: return (int16_t)half_word(row + 2 * index, big);
    case tiff_unsigned32: return (uint32_t)word(row + 4 * index, 4, big);
    case tiff_signed32: return (int32_t)(uint32_t)word(row + 4 * index, 4, big);
    case tiff_float32: {
      const uint32_t bits = (uint32_t)word(row + 4 * index, 4, big);
      float value;
      memcpy(&value, &bits, sizeof value);
      return value;
    }
    case tiff_float64: {
      const uint64_t bits = word(row + 8 * index, 8, big);
      double value;
      memcpy(&value, &bits, sizeof value);
      return value;
    }
    case tiff_packed: break;
  }
  return format->bits == 16 ? half_word(row + 2 * index, big) : packed_sample(row, index, format->bits);
}

// The smallest and largest of `count` samples of 16 bits, compared as whole numbers: many at a time.
static void see_half_words(cc_decode *decode, const uint8_t *row, uint64_t count, int big_endian) {
  uint16_t lowest = UINT16_MAX, highest = 0;
  for (uint64_t i = 0; i < count; i++) {
    const uint16_t sample = half_word(row + 2 * i, big_endian);
    lowest = sample < lowest ? sample : lowest;
    highest = sample > highest ? sample : highest;
  }
  if (count == 0) return;
  cc_see(decode, lowest);
  cc_see(decode, highest);
}

// The smallest and largest of `count` samples, an alpha among them left out.
static void see_samples(const tiff_format *format, cc_decode *decode, const uint8_t *row, uint64_t first,
                        uint64_t count) {
  const int all = format->samples,
            alpha = all == 2 || (all == 4 && format->colour != tiff_inks) ? all - 1 : all;
  if (format->kind == tiff_packed && format->bits == 16 && alpha == all) {
    if (format->big_endian) {
      see_half_words(decode, row + 2 * first, count, 1);
    } else {
      see_half_words(decode, row + 2 * first, count, 0);
    }
    return;
  }
  for (uint64_t i = 0; i < count; i++) {
    if ((first + i) % (uint64_t)all != (uint64_t)alpha) cc_see(decode, wide_sample(format, row, first + i));
  }
}

// `count` samples from sample `first` of a row on, as levels or, of a palette, as they are: at `scratch`, or
// in the row itself.
static const uint8_t *levels_of_row(const tiff_format *format, cc_decode *decode, const uint8_t *row,
                                    uint64_t first, uint64_t count, uint8_t *scratch) {
  if (format->bits == 8) return row + first;
  if (format->is_deep) {
    if (decode->tolerant) see_samples(format, decode, row, first, count);
    if (format->kind == tiff_packed && format->bits == 16) {
      const uint8_t *at = row + 2 * first;
      if (format->levels.high_byte) {
        at += format->big_endian ? 0 : 1;
        for (uint64_t i = 0; i < count; i++) scratch[i] = at[2 * i];
      } else if (format->big_endian) {
        for (uint64_t i = 0; i < count; i++) scratch[i] = cc_level(&format->levels, half_word(at + 2 * i, 1));
      } else {
        for (uint64_t i = 0; i < count; i++) scratch[i] = cc_level(&format->levels, half_word(at + 2 * i, 0));
      }
      return scratch;
    }
    for (uint64_t i = 0; i < count; i++) {
      scratch[i] = cc_level(&format->levels, wide_sample(format, row, first + i));
    }
    return scratch;
  }
  const uint32_t top = (1u << format->bits) - 1;
  const uint32_t step = format->colour == tiff_palette ? 1 : 255 / top;
  for (uint64_t i = 0; i < count; i++) {
    scratch[i] = (uint8_t)(packed_sample(row, first + i, format->bits) * step);
  }
  return scratch;
}

// Pillow's formula; transparent pixels are black.
static inline uint8_t undone(int colour, int alpha) {
  if (alpha == 0) return 0;
  const int value = 255 * colour / alpha;
  return (uint8_t)(value < 255 ? value : 255);
}

static void put_gray(const uint8_t *in, int step, int flip, uint32_t width, uint8_t *out) {
  for (uint32_t x = 0; x < width; x++, in += step, out += 3) {
    out[0] = out[1] = out[2] = (uint8_t)(in[0] ^ flip);
  }
}

void tiff_put_row(const tiff_format *format, cc_decode *decode, const uint8_t *row, uint32_t first,
                  uint32_t width, uint8_t *scratch, uint8_t *out) {
  const int step = format->samples;
  const uint8_t *in = levels_of_row(format, decode, row, (uint64_t)first * (uint64_t)step,
                                    (uint64_t)width * (uint64_t)step, scratch);
  switch (format->colour) {
    case tiff_gray: put_gray(in, step, 0, width, out); return;
    case tiff_inverted_gray: put_gray(in, step, 255, width, out); return;
    case tiff_palette:
      for (uint32_t x = 0; x < width; x++, in += step, out += 3) memcpy(out, format->palette[in[0]], 3);
      return;
    case tiff_rgb:
      if (step == 3) {
        memcpy(out, in, (size_t)width * 3);
        return;
      }
      for (uint32_t x = 0; x < width; x++, in += step, out += 3) {
        out[0] = in[0];
        out[1] = in[1];
        out[2] = in[2];
      }
      return;
    case tiff_premultiplied:
      for (uint32_t x = 0; x < width; x++, in += step, out += 3) {
        for (int c = 0; c < 3; c++) out[c] = undone(in[c], in[3]);
      }
      return;
    case tiff_inks:
      for (uint32_t x = 0; x < width; x++, in += step, out += 3) {
        const int light = 255 - in[3];
        for (int c = 0; c < 3; c++) {
          const int level = light - cc_scaled(in[c], light);
          out[c] = (uint8_t)(level > 0 ? level : 0);
        }
      }
      return;
  }
}

void tiff_put_plane(const tiff_format *format, cc_decode *decode, const uint8_t *row, uint32_t first,
                    uint32_t width, uint8_t *scratch, uint8_t *out) {
  const uint8_t *in = levels_of_row(format, decode, row, first, width, scratch);
  for (uint32_t x = 0; x < width; x++) out[3 * (size_t)x] = in[x];
}
