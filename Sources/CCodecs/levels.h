#pragma once

#include <math.h>

#include "shared.h"

// The way from samples of more than 8 bits to levels, and the extremes that were seen on it.
typedef struct cc_levels {
  int high_byte;      // of 16 bits; the fields below are not used
  double low, scale;  // a level is (sample - low) * scale, rounded, 0 ... 255
} cc_levels;

// The levels of a file whose samples have the values low ... high if nothing else is wanted. `whole_is_byte`
// says that the whole range of 16 bits keeps its high byte, as in Pillow for PNG and TIFF.
static inline cc_levels cc_levels_of(cc_decode *decode, double low, double high, int is_gray,
                                     int whole_is_byte) {
  if (decode->depth.kind == CC_DEPTH_RANGE) {
    low = decode->depth.low;
    high = decode->depth.high;
  } else if (decode->depth.kind == CC_DEPTH_PILLOW && is_gray) {
    low = 0;
    high = 255;
  }
  decode->deep = 1;
  decode->low = low;
  decode->high = high;
  decode->lowest = INFINITY;
  decode->highest = -INFINITY;
  const int is_whole = low == 0 && high == 65535;
  return (cc_levels){.high_byte = whole_is_byte && is_whole, .low = low, .scale = 255 / (high - low)};
}

// Halves round up. NaN becomes 0.
static inline uint8_t cc_level(const cc_levels *levels, double sample) {
  const double level = (sample - levels->low) * levels->scale + 0.5;
  if (!(level > 0)) return 0;
  return level < 255 ? (uint8_t)level : 255;
}

static inline uint8_t cc_level16(const cc_levels *levels, uint16_t sample) {
  return levels->high_byte ? (uint8_t)(sample >> 8) : cc_level(levels, sample);
}

// Takes part in finding the extremes, which are finite: a report in JSON cannot hold others.
static inline void cc_see(cc_decode *decode, double sample) {
  if (!isfinite(sample)) return;
  if (sample < decode->lowest) decode->lowest = sample;
  if (sample > decode->highest) decode->highest = sample;
}
