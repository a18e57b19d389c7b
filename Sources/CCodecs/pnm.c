#include "levels.h"

// The portable maps of Netpbm: P1 to P3 are text, P4 to P6 are binary.
typedef struct Header {
  int kind;                      // 1 to 6
  uint32_t width, height, most;  // `most` is the value of white
} Header;

static int is_space(int byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

// Passes over white space and comments; returns the byte after them.
static uint8_t next_byte(cc_input *in) {
  for (;;) {
    uint8_t byte = cc_next(in);
    if (byte == '#') {
      while (!in->ended && byte != '\n' && byte != '\r') byte = cc_next(in);
    }
    if (in->ended || !is_space(byte)) return byte;
  }
}

// A number of at most `most` and the one byte behind it; CC_TRUNCATED if the file ends before a digit.
static cc_status next_number(cc_input *in, uint32_t most, uint32_t *number) {
  uint8_t byte = next_byte(in);
  if (in->ended) return CC_TRUNCATED;
  uint64_t value = 0;
  int digits = 0;
  for (; byte >= '0' && byte <= '9' && !in->ended; byte = cc_next(in), digits++) {
    value = value * 10 + (uint64_t)(byte - '0');
    if (value > most) return CC_CORRUPT;
  }
  if (digits == 0 || !(in->ended || is_space(byte) || byte == '#')) return CC_CORRUPT;
  if (byte == '#' && !in->ended) in->at--;
  // The end of the file may be the end of the last number.
  in->ended = 0;
  *number = (uint32_t)value;
  return CC_OK;
}

static cc_status read_header(cc_input *in, Header *header) {
  in->at = 2;
  header->kind = in->count < 2 ? 0 : in->bytes[1] - '0';
  header->most = 1;
  if (header->kind < 1 || header->kind > 6) return CC_CORRUPT;
  cc_status status = next_number(in, INT32_MAX, &header->width);
  if (status == CC_OK) status = next_number(in, INT32_MAX, &header->height);
  if (status == CC_OK && header->kind % 3 != 1) status = next_number(in, 65535, &header->most);
  if (status != CC_OK) return status;
  return header->width == 0 || header->height == 0 || header->most == 0 ? CC_CORRUPT : CC_OK;
}

static cc_status fail(cc_message *message, cc_status status) {
  return cc_fail(message, status,
                 status == CC_TRUNCATED ? "the file ends too early" : "its header is no portable map's");
}

cc_status cc_pnm_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                      cc_message *message) {
  cc_input in = {.bytes = bytes, .count = count};
  Header header = {0};
  const cc_status status = read_header(&in, &header);
  if (status != CC_OK) return fail(message, status);
  *width = header.width;
  *height = header.height;
  return CC_OK;
}

// How samples become levels: through `table` up to 255, else through `deep`.
typedef struct Scale {
  uint8_t table[256];
  cc_levels deep;
  uint32_t most;
} Scale;

static Scale scale_of(cc_decode *decode, const Header *header) {
  Scale scale = {.most = header->most};
  if (header->most > 255) {
    scale.deep = cc_levels_of(decode, 0, header->most, header->kind % 3 == 2, 0);
    return scale;
  }
  // As Pillow does: halves to the even level, and values above white are white.
  for (uint32_t i = 0; i < 256; i++) {
    const double level = rint((double)i / header->most * 255);
    scale.table[i] = (uint8_t)(level < 255 ? level : 255);
  }
  return scale;
}

static inline uint8_t level_of(const Scale *scale, cc_decode *decode, uint32_t sample) {
  if (scale->most <= 255) return scale->table[sample];
  if (decode->tolerant) cc_see(decode, sample);
  return cc_level16(&scale->deep, (uint16_t)sample);
}

static cc_status next_sample(cc_input *in, const Header *header, uint32_t *sample) {
  if (header->kind != 1) return next_number(in, header->most, sample);
  // A bit is one character.
  const uint8_t byte = next_byte(in);
  if (in->ended) return CC_TRUNCATED;
  *sample = byte == '0';
  return byte == '0' || byte == '1' ? CC_OK : CC_CORRUPT;
}

static cc_status decode_text(cc_decode *decode, cc_input *in, const Header *header) {
  const Scale scale = scale_of(decode, header);
  const uint64_t right = (uint64_t)decode->region.left + decode->region.width;
  const int samples = header->kind == 3 ? 3 : 1;
  for (uint32_t y = 0; y < header->height; y++) {
    uint8_t *target = cc_target_row(decode, y);
    for (uint32_t x = 0; x < header->width; x++) {
      uint32_t pixel[3] = {0};
      for (int c = 0; c < samples; c++) {
        const cc_status status = next_sample(in, header, &pixel[c]);
        if (status == CC_CORRUPT)
          return cc_fail(&decode->message, status, "a value is no number in its range");
        if (status != CC_OK) return fail(&decode->message, status);
      }
      if (target == NULL || x < decode->region.left || x >= right) continue;
      uint8_t *out = target + (size_t)(x - decode->region.left) * 3;
      for (int c = 0; c < 3; c++) out[c] = level_of(&scale, decode, pixel[samples == 3 ? c : 0]);
    }
  }
  return CC_OK;
}

// The region's part of a binary row.
static void put_row(cc_decode *decode, const Header *header, const Scale *scale, const uint8_t *row,
                    uint8_t *out) {
  const uint32_t left = decode->region.left, width = decode->region.width;
  const size_t samples = header->kind == 6 ? 3 : 1;
  if (header->kind == 4) {
    for (uint32_t x = 0; x < width; x++, out += 3) {
      const uint32_t column = left + x;
      memset(out, row[column >> 3] >> (7 - (column & 7)) & 1 ? 0 : 255, 3);
    }
  } else if (header->kind == 6 && header->most == 255) {
    memcpy(out, row + (size_t)left * 3, (size_t)width * 3);
  } else if (header->most <= 255) {
    row += left * samples;
    for (size_t i = 0; i < (size_t)width * 3; i++) out[i] = scale->table[row[samples == 3 ? i : i / 3]];
  } else {
    row += left * samples * 2;
    for (size_t i = 0; i < (size_t)width * 3; i++) {
      const uint8_t *at = row + 2 * (samples == 3 ? i : i / 3);
      out[i] = level_of(scale, decode, (uint32_t)(at[0] << 8 | at[1]));
    }
  }
}

static cc_status decode_binary(cc_decode *decode, cc_input *in, const Header *header) {
  const Scale scale = scale_of(decode, header);
  const uint64_t width = header->width;
  const uint64_t row_bytes = header->kind == 4
                                 ? (width + 7) / 8
                                 : width * (header->kind == 6 ? 3 : 1) * (header->most > 255 ? 2 : 1);
  for (uint32_t y = 0; y < header->height; y++, in->at += row_bytes) {
    if (in->count - in->at < row_bytes) return fail(&decode->message, CC_TRUNCATED);
    uint8_t *target = cc_target_row(decode, y);
    if (target != NULL) put_row(decode, header, &scale, in->bytes + in->at, target);
  }
  return CC_OK;
}

cc_status cc_pnm_decode(cc_decode *decode) {
  cc_input in = {.bytes = decode->bytes, .count = decode->count};
  Header header = {0};
  if (!cc_may_take(decode, 0)) return CC_OVER_MEMORY;
  cc_status status = read_header(&in, &header);
  if (status != CC_OK) return fail(&decode->message, status);
  status = cc_same_size(decode, header.width, header.height);
  if (status != CC_OK) return status;
  decode->begun = 1;
  return header.kind <= 3 ? decode_text(decode, &in, &header) : decode_binary(decode, &in, &header);
}
