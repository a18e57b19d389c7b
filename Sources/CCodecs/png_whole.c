#include <libdeflate.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "png_samples.h"

// PNGs that are not interlaced, a whole file at once. libdeflate needs the whole stream and inflates maps of
// few classes ten times as fast as zlib, and most bytes of such maps are undone sixteen at a time.

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

// Parts of a file. Its IDAT chunks follow each other.
typedef struct Parts {
  int depth, colour;
  const uint8_t *palette;
  size_t palette_bytes;
  const uint8_t *first_data;  // the first IDAT's length
  size_t data_chunks, data_bytes;
} Parts;

// Whether pixels do not depend on a chunk: a kind of four letters, the first of them small.
static int is_ancillary(const uint8_t *kind) {
  for (int i = 0; i < 4; i++) {
    const uint8_t small = kind[i] | 0x20;
    if (small < 'a' || small > 'z') return 0;
  }
  return (kind[0] & 0x20) != 0;
}

// Whether a file has nothing unusual and whole chunks.
static int find_parts(const cc_samples *wanted, Parts *parts) {
  const uint8_t *bytes = wanted->bytes;
  size_t at = 8;
  int has_ended = 0;  // another chunk came behind the data
  while (wanted->count - at >= 12) {
    const uint8_t *chunk = bytes + at;
    const size_t length = big_endian(chunk);
    if (length > wanted->count - at - 12) return 0;
    const uint8_t *kind = chunk + 4, *content = chunk + 8;
    const int is_header = memcmp(kind, "IHDR", 4) == 0, is_palette = memcmp(kind, "PLTE", 4) == 0;
    const int is_data = memcmp(kind, "IDAT", 4) == 0, is_end = memcmp(kind, "IEND", 4) == 0;
    const int is_known = is_header || is_palette || is_data || is_end;
    if (!is_known && !is_ancillary(kind)) return 0;
    if (is_known && libdeflate_crc32(0, kind, length + 4) != big_endian(content + length)) return 0;
    if (is_header != (at == 8) || (is_header && length != 13)) return 0;
    if (is_header) {
      parts->depth = content[8], parts->colour = content[9];
      if (content[10] != 0 || content[11] != 0 || content[12] != 0) return 0;  // interlaced, or unknown
    } else if (is_palette) {
      if (parts->palette != NULL || parts->data_chunks > 0 || length == 0 || length % 3 != 0 || length > 768)
        return 0;
      parts->palette = content, parts->palette_bytes = length;
    } else if (is_data) {
      if (has_ended) return 0;
      if (parts->data_chunks++ == 0) parts->first_data = chunk;
      parts->data_bytes += length;
    } else if (is_end) {
      break;
    } else if (parts->data_chunks > 0) {
      has_ended = 1;
    }
    at += length + 12;
  }
  return parts->data_chunks > 0 && (parts->colour != PNG_COLOR_TYPE_PALETTE || parts->palette != NULL);
}

// Bits of a pixel; 0 for kinds that are left to libpng.
static int bits_of_pixel(const Parts *parts) {
  const int depth = parts->depth;
  const int is_small = depth == 1 || depth == 2 || depth == 4 || depth == 8;
  switch (parts->colour) {
    case PNG_COLOR_TYPE_GRAY: return is_small || depth == 16 ? depth : 0;
    case PNG_COLOR_TYPE_PALETTE: return is_small ? depth : 0;
    case PNG_COLOR_TYPE_RGB: return depth == 8 ? 24 : 0;
    case PNG_COLOR_TYPE_RGB_ALPHA: return depth == 8 ? 32 : 0;
    default: return 0;
  }
}

// The content of all IDAT chunks; `copy` is for more than one.
static const uint8_t *joined(const Parts *parts, uint8_t *copy) {
  const uint8_t *chunk = parts->first_data;
  if (parts->data_chunks == 1) return chunk + 8;
  uint8_t *to = copy;
  for (size_t i = 0; i < parts->data_chunks; i++) {
    const size_t length = big_endian(chunk);
    memcpy(to, chunk + 8, length);
    to += length;
    chunk += length + 12;
  }
  return copy;
}

// MARK: Filters. `to` may be `from`; `step` is the bytes of a pixel, at least 1.

enum { block = 16 };

static int is_zero(const uint8_t *b) {
  uint64_t halves[2];
  memcpy(halves, b, sizeof halves);
  return (halves[0] | halves[1]) == 0;
}

static void repeat(uint8_t *to, size_t count, size_t step) {
  if (step == 1) {
    memset(to, to[-1], count);
  } else {
    for (size_t k = 0; k < count; k++) to[k] = to[(ptrdiff_t)k - (ptrdiff_t)step];
  }
}

static void undo_sub(uint8_t *to, const uint8_t *from, size_t count, size_t step) {
  const size_t start = step < count ? step : count;
  memmove(to, from, start);
  for (size_t i = start; i < count;) {
    if (count - i >= block && is_zero(from + i)) {
      repeat(to + i, block, step);
      i += block;
    } else {
      to[i] = (uint8_t)(from[i] + to[i - step]);
      i++;
    }
  }
}

static void undo_up(uint8_t *to, const uint8_t *from, const uint8_t *up, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] = (uint8_t)(from[i] + up[i]);
}

static void undo_average(uint8_t *to, const uint8_t *from, const uint8_t *up, size_t count, size_t step) {
  for (size_t i = 0; i < count; i++) {
    const int left = i < step ? 0 : to[i - step];
    to[i] = (uint8_t)(from[i] + (left + up[i]) / 2);
  }
}

static uint8_t paeth(int left, int above, int corner) {
  const int to_left = abs(above - corner), to_above = abs(left - corner);
  const int to_corner = abs(left + above - 2 * corner);
  if (to_left <= to_above && to_left <= to_corner) return (uint8_t)left;
  return (uint8_t)(to_above <= to_corner ? above : corner);
}

// Where a pixel's left neighbour equals its corner, Paeth's guess is the pixel above; where the one above
// equals the corner, it is the left one. Guesses that are right go on so.
static void undo_paeth(uint8_t *to, const uint8_t *from, const uint8_t *up, size_t count, size_t step) {
  const size_t start = step < count ? step : count;
  for (size_t i = 0; i < start; i++) to[i] = (uint8_t)(from[i] + up[i]);
  for (size_t i = start; i < count;) {
    if (count - i >= block && is_zero(from + i)) {
      if (memcmp(to + i - step, up + i - step, step) == 0) {
        memcpy(to + i, up + i, block);
        i += block;
        continue;
      }
      if (memcmp(up + i - step, up + i, block) == 0) {
        repeat(to + i, block, step);
        i += block;
        continue;
      }
    }
    to[i] = (uint8_t)(from[i] + paeth(to[i - step], up[i], up[i - step]));
    i++;
  }
}

static int undo(int filter, uint8_t *to, const uint8_t *from, const uint8_t *up, size_t count, size_t step) {
  switch (filter) {
    case PNG_FILTER_VALUE_NONE: memmove(to, from, count); return 1;
    case PNG_FILTER_VALUE_SUB: undo_sub(to, from, count, step); return 1;
    case PNG_FILTER_VALUE_UP: undo_up(to, from, up, count); return 1;
    case PNG_FILTER_VALUE_AVG: undo_average(to, from, up, count, step); return 1;
    case PNG_FILTER_VALUE_PAETH: undo_paeth(to, from, up, count, step); return 1;
    default: return 0;
  }
}

// MARK: Rows

// A row of samples from one of `bits` a pixel.
static void unpack(uint8_t *to, const uint8_t *row, uint32_t width, int bits) {
  if (bits == 32) {
    for (uint32_t x = 0; x < width; x++) memcpy(to + 3 * (size_t)x, row + 4 * (size_t)x, 3);
    return;
  }
  const int mask = (1 << bits) - 1;
  for (uint32_t x = 0; x < width; x++) {
    const uint64_t bit = (uint64_t)x * bits;
    to[x] = (uint8_t)(row[bit / 8] >> (8 - bits - bit % 8) & mask);
  }
}

// `rows` are the filtered rows, each behind its filter's number, and `zeros` a row above them.
static int put_rows(cc_samples *wanted, uint8_t *rows, const uint8_t *zeros, size_t row_bytes, int bits) {
  const size_t stride = (size_t)wanted->width * wanted->sample, step = bits < 8 ? 1 : (size_t)bits / 8;
  const int is_plain = stride == row_bytes && bits >= 8 && bits != 32;
  const uint8_t *up = zeros;
  for (uint32_t y = 0; y < wanted->height; y++) {
    uint8_t *from = rows + y * (row_bytes + 1), *samples = wanted->samples + y * stride;
    uint8_t *to = is_plain ? samples : from + 1;
    if (!undo(from[0], to, from + 1, up, row_bytes, step)) return 0;
    if (!is_plain) unpack(samples, to, wanted->width, bits);
    up = to;
  }
  return 1;
}

int cc_png_samples_at_once(cc_samples *wanted) {
  Parts parts = {0};
  if (wanted->width > PNG_USER_WIDTH_MAX || wanted->height > PNG_USER_HEIGHT_MAX) return 0;
  if (!find_parts(wanted, &parts)) return 0;
  const int bits = bits_of_pixel(&parts);
  if (bits == 0) return 0;
  const uint64_t row_bytes = ((uint64_t)wanted->width * bits + 7) / 8;
  const uint64_t filtered = (row_bytes + 1) * wanted->height;
  const uint64_t copy = parts.data_chunks > 1 ? parts.data_bytes : 0;
  const uint64_t own = filtered + row_bytes + copy;
  const uint64_t samples = (uint64_t)wanted->width * wanted->height * wanted->sample;
  if (2 * row_bytes * wanted->height > wanted->max_work || own + samples > wanted->max_bytes) return 0;
  uint8_t *rows = malloc(own);
  struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
  int is_done = rows != NULL && decompressor != NULL;
  if (is_done) {
    uint8_t *zeros = rows + filtered;
    memset(zeros, 0, row_bytes);
    const uint8_t *data = joined(&parts, zeros + row_bytes);
    is_done = libdeflate_zlib_decompress(decompressor, data, parts.data_bytes, rows, filtered, NULL) ==
                  LIBDEFLATE_SUCCESS &&
              put_rows(wanted, rows, zeros, row_bytes, bits);
  }
  if (decompressor != NULL) libdeflate_free_decompressor(decompressor);
  free(rows);
  if (is_done && parts.palette != NULL) {
    size_t colours = parts.palette_bytes / 3;
    const size_t most = parts.colour == PNG_COLOR_TYPE_PALETTE ? (size_t)1 << parts.depth : 256;
    if (colours > most) colours = most;
    memcpy(wanted->palette, parts.palette, 3 * colours);
    wanted->palette_count = (int)colours;
  }
  return is_done;
}
