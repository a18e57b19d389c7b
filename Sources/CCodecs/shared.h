#pragma once

#include <stdio.h>
#include <string.h>

#include "CCodecs.h"

static inline cc_status cc_fail(cc_message *message, cc_status status, const char *text) {
  snprintf(message->text, sizeof message->text, "%s", text);
  return status;
}

static inline uint64_t cc_pixel_count(const cc_decode *decode) {
  return (uint64_t)decode->width * decode->height;
}

static inline int cc_is_whole(const cc_decode *decode) {
  return decode->region.width == decode->width && decode->region.height == decode->height;
}

// Whether the codec may take `own` bytes.
static inline int cc_may_take(cc_decode *decode, uint64_t own) {
  decode->bytes_needed = decode->held_bytes + own;
  return decode->bytes_needed <= decode->max_bytes;
}

// Where row y of the picture goes; NULL outside the region.
static inline uint8_t *cc_target_row(const cc_decode *decode, uint32_t y) {
  const cc_region *region = &decode->region;
  if (y < region->top || y - region->top >= region->height) return NULL;
  return decode->pixels + (size_t)(y - region->top) * region->width * 3;
}

// Takes the region's part of an RGB row of the whole picture.
static inline void cc_take_row(const cc_decode *decode, uint32_t y, const uint8_t *row) {
  uint8_t *target = cc_target_row(decode, y);
  if (target == NULL) return;
  memcpy(target, row + (size_t)decode->region.left * 3, (size_t)decode->region.width * 3);
}

// The bytes that come next of `count` in memory, read from `at` on; a read beyond the end gives zero and sets
// `ended`.
typedef struct cc_input {
  const uint8_t *bytes;
  uint64_t count, at;
  int ended;
} cc_input;

static inline uint8_t cc_next(cc_input *in) {
  if (in->at < in->count) return in->bytes[in->at++];
  in->ended = 1;
  return 0;
}

static inline uint32_t cc_little(cc_input *in, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint32_t)cc_next(in) << 8 * i;
  return value;
}

// A file whose size on the second look is another is not the one that was checked.
static inline cc_status cc_same_size(cc_decode *decode, uint32_t width, uint32_t height) {
  if (width == decode->width && height == decode->height) return CC_OK;
  return cc_fail(&decode->message, CC_CORRUPT, "its size changes on the second look");
}

// round(a * b / 255) for bytes.
static inline int cc_scaled(int a, int b) {
  int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}
