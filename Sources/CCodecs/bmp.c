#include "shared.h"

// Windows and OS/2 bitmaps: a file header of 14 bytes with the place of the pixels, a header whose first four
// bytes are its size, perhaps masks, perhaps a palette, then rows from the bottom up, filled to 4 bytes.

enum { plain = 0, rle8 = 1, rle4 = 2, bit_fields = 3, file_header = 14 };

// Where a colour lies in a pixel.
typedef struct Mask {
  uint32_t bits;
  int shift;
  uint32_t most;
} Mask;

typedef struct Header {
  uint32_t width, height, compression;
  uint64_t pixels;  // their offset in the file
  int is_top_down, bits;
  Mask masks[3];  // red, green, blue of 16 and 32 bits
  uint8_t palette[256][3];
} Header;

static cc_status cut(cc_message *message) {
  return cc_fail(message, CC_TRUNCATED, "the file ends too early");
}

static Mask mask_of(uint32_t bits) {
  Mask mask = {.bits = bits};
  if (bits == 0) return mask;
  while ((bits >> mask.shift & 1) == 0) mask.shift++;
  mask.most = bits >> mask.shift;
  return mask;
}

// Whether its ones stand side by side.
static int is_one_run(uint32_t bits) {
  const Mask mask = mask_of(bits);
  return bits != 0 && (mask.most & (mask.most + 1)) == 0;
}

// The header's first part, which is the same in all kinds since Windows 3.
static cc_status read_sides(cc_input *in, Header *header, uint32_t *size, uint32_t *palette_entries,
                            cc_message *message) {
  in->at = 10;
  header->pixels = cc_little(in, 4);
  *size = cc_little(in, 4);
  *palette_entries = 0;
  uint32_t height;
  if (*size == 12) {
    header->width = cc_little(in, 2);
    height = cc_little(in, 2);
    cc_little(in, 2);
    header->bits = (int)cc_little(in, 2);
  } else if (*size == 40 || *size == 52 || *size == 56 || *size == 64 || *size == 108 || *size == 124) {
    header->width = cc_little(in, 4);
    height = cc_little(in, 4);
    cc_little(in, 2);
    header->bits = (int)cc_little(in, 2);
    header->compression = cc_little(in, 4);
    cc_little(in, 4);
    cc_little(in, 4);
    cc_little(in, 4);
    *palette_entries = cc_little(in, 4);
    cc_little(in, 4);
  } else {
    if (in->ended) return cut(message);
    return cc_fail(message, CC_UNSUPPORTED, "its header is of no known size");
  }
  if (in->ended) return cut(message);
  header->is_top_down = (height >> 31) != 0;
  header->height = header->is_top_down ? 0 - height : height;
  if (header->width == 0 || header->height == 0 || header->width > INT32_MAX || header->height > INT32_MAX) {
    return cc_fail(message, CC_CORRUPT, "its header gives an impossible size");
  }
  return CC_OK;
}

cc_status cc_bmp_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                      cc_message *message) {
  cc_input in = {.bytes = bytes, .count = count};
  Header header = {0};
  uint32_t size, entries;
  const cc_status status = read_sides(&in, &header, &size, &entries, message);
  if (status != CC_OK) return status;
  *width = header.width;
  *height = header.height;
  return CC_OK;
}

static cc_status unsupported(cc_message *message, const char *what, uint32_t value) {
  char text[60];
  snprintf(text, sizeof text, "%s %u", what, value);
  return cc_fail(message, CC_UNSUPPORTED, text);
}

// Masks come after the first 40 bytes of the header, be they a part of it or not.
static cc_status read_masks(cc_input *in, Header *header, cc_message *message) {
  const uint32_t usual16[3] = {0x7C00, 0x3E0, 0x1F}, usual32[3] = {0xFF0000, 0xFF00, 0xFF};
  uint32_t found[3];
  memcpy(found, header->bits == 16 ? usual16 : usual32, sizeof found);
  if (header->compression == bit_fields) {
    for (int i = 0; i < 3; i++) found[i] = cc_little(in, 4);
    if (in->ended) return cut(message);
    // They may be left empty, which means the usual ones.
    if ((found[0] | found[1] | found[2]) == 0 && header->bits == 32) memcpy(found, usual32, sizeof found);
  }
  for (int i = 0; i < 3; i++) {
    if (!is_one_run(found[i]) || (header->bits == 16 && found[i] > 0xFFFF)) {
      return cc_fail(message, CC_UNSUPPORTED, "its bit fields are not in one piece each");
    }
    header->masks[i] = mask_of(found[i]);
  }
  return CC_OK;
}

static cc_status read_palette(cc_input *in, Header *header, uint32_t size, uint32_t entries,
                              cc_message *message) {
  const uint32_t most = 1u << header->bits;
  if (entries == 0) entries = most;
  const uint64_t start = file_header + (uint64_t)size, entry = size == 12 ? 3 : 4;
  // Some files leave the palette out of the offset, or the offset itself.
  if (header->pixels == 0 || header->pixels == start) header->pixels = start + entry * entries;
  in->at = start;
  // A larger palette is legal, and its rest has no use. Some files leave out colours that no pixel has.
  for (uint32_t i = 0; i < entries && i < most && in->at + entry <= header->pixels; i++) {
    for (int c = 2; c >= 0; c--) header->palette[i][c] = cc_next(in);
    if (entry == 4) cc_next(in);
  }
  return in->ended ? cut(message) : CC_OK;
}

static cc_status read_header(cc_input *in, Header *header, cc_message *message) {
  uint32_t size, entries;
  cc_status status = read_sides(in, header, &size, &entries, message);
  if (status != CC_OK) return status;
  const int bits = header->bits;
  if (bits != 1 && bits != 2 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) {
    return unsupported(message, "bits of a pixel:", (uint32_t)bits);
  }
  const uint32_t kind = header->compression;
  const int is_known = kind == plain || (kind == rle8 && bits == 8) || (kind == rle4 && bits == 4) ||
                       (kind == bit_fields && (bits == 16 || bits == 32) && size != 64);
  if (!is_known || (header->is_top_down && (kind == rle8 || kind == rle4))) {
    return unsupported(message, "compression", kind);
  }
  if (bits <= 8) return read_palette(in, header, size, entries, message);
  if (header->pixels == 0)
    header->pixels = file_header + (uint64_t)size + (kind == bit_fields && size < 52 ? 12 : 0);
  return bits == 24 ? CC_OK : read_masks(in, header, message);
}

// MARK: - Rows

static void put_fields(const Header *header, const uint8_t *row, uint32_t width, uint8_t *out) {
  const int bytes = header->bits / 8;
  for (uint32_t x = 0; x < width; x++, row += bytes, out += 3) {
    uint32_t pixel = (uint32_t)row[0] | (uint32_t)row[1] << 8;
    if (bytes == 4) pixel |= (uint32_t)row[2] << 16 | (uint32_t)row[3] << 24;
    for (int c = 0; c < 3; c++) {
      const Mask *mask = &header->masks[c];
      out[c] = (uint8_t)((uint64_t)((pixel & mask->bits) >> mask->shift) * 255 / mask->most);
    }
  }
}

static void put_bytes(const uint8_t *row, int step, uint32_t width, uint8_t *out) {
  for (uint32_t x = 0; x < width; x++, row += step, out += 3) {
    out[0] = row[2];
    out[1] = row[1];
    out[2] = row[0];
  }
}

static void put_indices(const Header *header, const uint8_t *row, uint32_t left, uint32_t width,
                        uint8_t *out) {
  if (header->bits == 8) {
    for (uint32_t x = 0; x < width; x++, out += 3) memcpy(out, header->palette[row[left + x]], 3);
    return;
  }
  const uint32_t bits = (uint32_t)header->bits, each = 8 / bits, mask = (1u << bits) - 1;
  for (uint32_t x = left; x < left + width; x++, out += 3) {
    const uint32_t index = row[x / each] >> (8 - bits - x % each * bits) & mask;
    memcpy(out, header->palette[index], 3);
  }
}

// The region's part of a stored row.
static void put_row(const cc_decode *decode, const Header *header, const uint8_t *row, uint8_t *out) {
  const uint32_t left = decode->region.left, width = decode->region.width;
  const Mask *masks = header->masks;
  if (header->bits <= 8) {
    put_indices(header, row, left, width, out);
  } else if (header->bits == 24) {
    put_bytes(row + (size_t)left * 3, 3, width, out);
  } else if (header->bits == 32 && masks[0].bits == 0xFF0000 && masks[1].bits == 0xFF00 &&
             masks[2].bits == 0xFF) {
    put_bytes(row + (size_t)left * 4, 4, width, out);
  } else {
    put_fields(header, row + (size_t)left * (size_t)(header->bits / 8), width, out);
  }
}

static cc_status decode_plain(cc_decode *decode, const Header *header) {
  const uint64_t row_bytes = ((uint64_t)header->width * (uint64_t)header->bits + 31) / 32 * 4;
  // The filling of the last row may be missing.
  const uint64_t needed = ((uint64_t)header->width * (uint64_t)header->bits + 7) / 8;
  const uint8_t *bytes = decode->bytes;
  for (uint32_t i = 0; i < header->height; i++) {
    const uint64_t at = header->pixels + row_bytes * i;  // each below 2^63
    if (at > decode->count || decode->count - at < needed) return cut(&decode->message);
    uint8_t *target = cc_target_row(decode, header->is_top_down ? i : header->height - 1 - i);
    if (target != NULL) put_row(decode, header, bytes + at, target);
  }
  return CC_OK;
}

// MARK: - Run lengths

// The picture as it is filled from its lower left on. Pixels that the runs leave out have the first colour.
typedef struct Canvas {
  cc_decode *decode;
  const Header *header;
  uint32_t x, y;  // y is counted from the bottom
} Canvas;

static void put_pixel(Canvas *canvas, uint32_t index) {
  const cc_region *region = &canvas->decode->region;
  const uint32_t x = canvas->x++;
  if (x >= canvas->header->width || canvas->y >= canvas->header->height) return;
  uint8_t *row = cc_target_row(canvas->decode, canvas->header->height - 1 - canvas->y);
  if (row == NULL || x < region->left || x - region->left >= region->width) return;
  memcpy(row + (size_t)(x - region->left) * 3, canvas->header->palette[index], 3);
}

static void put_run(Canvas *canvas, uint32_t count, uint8_t value) {
  const int is_half = canvas->header->bits == 4;
  for (uint32_t i = 0; i < count && canvas->x < canvas->header->width; i++) {
    put_pixel(canvas, !is_half ? value : i % 2 == 0 ? value >> 4 : value & 15u);
  }
}

static void put_literals(Canvas *canvas, cc_input *in, uint32_t count) {
  const int is_half = canvas->header->bits == 4;
  const uint32_t bytes = is_half ? (count + 1) / 2 : count;
  for (uint32_t i = 0; i < bytes && !in->ended; i++) {
    put_run(canvas, is_half && 2 * i + 1 < count ? 2 : 1, cc_next(in));
  }
  if (bytes % 2 == 1 && in->at < in->count) in->at++;
}

static cc_status decode_runs(cc_decode *decode, const Header *header) {
  cc_input in = {.bytes = decode->bytes, .count = decode->count, .at = header->pixels};
  const size_t pixels = (size_t)decode->region.width * decode->region.height;
  for (size_t i = 0; i < pixels; i++) memcpy(decode->pixels + 3 * i, header->palette[0], 3);
  Canvas canvas = {.decode = decode, .header = header};
  while (canvas.y < header->height) {
    const uint8_t count = cc_next(&in), value = cc_next(&in);
    if (in.ended) break;
    if (count > 0) {
      put_run(&canvas, count, value);
    } else if (value == 0) {
      canvas.x = 0;
      canvas.y++;
    } else if (value == 1) {
      return CC_OK;
    } else if (value == 2) {
      canvas.x += cc_next(&in);
      canvas.y += cc_next(&in);
    } else {
      put_literals(&canvas, &in, value);
    }
  }
  // The last row may end without its mark.
  const int is_full =
      canvas.y >= header->height || (canvas.y + 1 == header->height && canvas.x >= header->width);
  return is_full ? CC_OK : cut(&decode->message);
}

cc_status cc_bmp_decode(cc_decode *decode) {
  cc_input in = {.bytes = decode->bytes, .count = decode->count};
  Header header = {0};
  if (!cc_may_take(decode, 0)) return CC_OVER_MEMORY;
  cc_status status = read_header(&in, &header, &decode->message);
  if (status == CC_OK) status = cc_same_size(decode, header.width, header.height);
  if (status != CC_OK) return status;
  decode->begun = 1;
  return header.compression == plain || header.compression == bit_fields ? decode_plain(decode, &header)
                                                                         : decode_runs(decode, &header);
}
