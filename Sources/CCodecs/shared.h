#pragma once

#include <stdio.h>
#include <string.h>

#include "CCodecs.h"

static inline MocoStatus moco_fail(MocoMessage *message, MocoStatus status, const char *text) {
  snprintf(message->text, sizeof message->text, "%s", text);
  return status;
}

static inline uint64_t moco_pixel_count(const MocoDecode *decode) {
  return (uint64_t)decode->width * decode->height;
}

static inline int moco_is_whole(const MocoDecode *decode) {
  return decode->region.width == decode->width && decode->region.height == decode->height;
}

// Whether the codec may take `own` bytes.
static inline int moco_may_take(MocoDecode *decode, uint64_t own) {
  decode->bytes_needed = decode->held_bytes + own;
  return decode->bytes_needed <= decode->max_bytes;
}

// Where row y of the picture goes; NULL outside the region.
static inline uint8_t *moco_target_row(const MocoDecode *decode, uint32_t y) {
  const MocoRegion *region = &decode->region;
  if (y < region->top || y - region->top >= region->height) return NULL;
  return decode->pixels + (size_t)(y - region->top) * region->width * 3;
}

// Takes the region's part of an RGB row of the whole picture.
static inline void moco_take_row(const MocoDecode *decode, uint32_t y, const uint8_t *row) {
  uint8_t *target = moco_target_row(decode, y);
  if (target == NULL) return;
  memcpy(target, row + (size_t)decode->region.left * 3, (size_t)decode->region.width * 3);
}
