#pragma once

#include "levels.h"

// The kinds of samples.
typedef enum tiff_kind {
  tiff_packed,  // 1 to 16 bits, unsigned; 8 and 16 bits have their own fast ways
  tiff_signed16,
  tiff_unsigned32,
  tiff_signed32,
  tiff_float32,
  tiff_float64,
} tiff_kind;

// The kinds of pixels.
typedef enum tiff_colour {
  tiff_gray,
  tiff_inverted_gray,
  tiff_palette,
  tiff_rgb,
  tiff_premultiplied,  // RGBA, the colours multiplied by alpha
  tiff_inks,           // CMYK, 0 is no ink
} tiff_colour;

// How a row of samples becomes RGB.
typedef struct tiff_format {
  tiff_kind kind;
  tiff_colour colour;
  int bits;        // of a sample
  int samples;     // of a pixel, in a row; 1 where each colour has a plane of its own
  int big_endian;  // samples of more than 8 bits: their order in memory
  int is_deep;     // samples become levels through `levels`
  cc_levels levels;
  uint8_t palette[256][3];
} tiff_format;

// Turns `width` pixels of a row, from pixel `first` on, into RGB at `out`. `scratch` has room for the
// samples.
void tiff_put_row(const tiff_format *format, cc_decode *decode, const uint8_t *row, uint32_t first,
                  uint32_t width, uint8_t *scratch, uint8_t *out);

// The same for one plane of three: writes each third byte from `out` on.
void tiff_put_plane(const tiff_format *format, cc_decode *decode, const uint8_t *row, uint32_t first,
                    uint32_t width, uint8_t *scratch, uint8_t *out);
