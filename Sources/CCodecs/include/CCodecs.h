// The codec libraries behind plain C functions: libjpeg-turbo, libpng, libwebp, libtiff and libavif; BMP, GIF
// and the portable maps are read by code of this folder.
//
// Every function returns a status and never calls back; errors and long jumps of the libraries end inside it.
// Bytes go in as (pointer, count) and are never written or kept.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Enums that Swift switches over without a default, and a value's name in Swift.
#define CC_CLOSED __attribute__((enum_extensibility(closed)))
#define CC_CASE(name) __attribute__((swift_name(#name)))

typedef enum CC_CLOSED cc_status {
  CC_OK CC_CASE(ok) = 0,
  CC_TRUNCATED CC_CASE(truncated),      // the bytes end too early
  CC_CORRUPT CC_CASE(corrupt),          // the bytes contradict themselves or the format
  CC_UNSUPPORTED CC_CASE(unsupported),  // a legal file of a kind that is not decoded
  CC_OVER_SCANS CC_CASE(overScans),     // more scans than the caller allows
  CC_OVER_WORK CC_CASE(overWork),       // more work than the caller allows
  CC_OVER_MEMORY CC_CASE(overMemory),   // decoding takes more memory than the caller allows
  CC_OUT_OF_MEMORY CC_CASE(outOfMemory),
} cc_status;

// The library's message about a failure, or empty.
typedef struct cc_message {
  char text[200];
} cc_message;

// Memory from malloc; the receiver frees it.
typedef struct cc_buffer {
  uint8_t *bytes;
  size_t count;
} cc_buffer;

// Width and height from the header alone; nothing in proportion to them is allocated.
cc_status cc_jpeg_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                       cc_message *message);
cc_status cc_png_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                      cc_message *message);
cc_status cc_webp_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                       cc_message *message);
cc_status cc_tiff_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                       cc_message *message);
cc_status cc_bmp_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                      cc_message *message);
cc_status cc_gif_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                      cc_message *message);
cc_status cc_pnm_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                      cc_message *message);
cc_status cc_avif_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                       cc_message *message);

// The turn and mirroring that an AVIF's container declares, as the EXIF orientation that does the same: 1 to
// 8, and 1 for a file that cannot be read.
int cc_avif_orientation(const void *bytes, size_t count);

// Columns left ..< left + width of rows top ..< top + height.
typedef struct cc_region {
  uint32_t left, top, width, height;
} cc_region;

// How samples of more than 8 bits become levels of 8 bits.
typedef enum CC_CLOSED cc_depth_kind {
  CC_DEPTH_FILE CC_CASE(file) = 0,  // by the range that the file declares; otherwise by all of its bits
  CC_DEPTH_PILLOW CC_CASE(pillow),  // gray is clipped at 255, colour keeps its high byte
  CC_DEPTH_RANGE CC_CASE(range),    // low becomes 0, high becomes 255
} cc_depth_kind;

typedef struct cc_depth {
  cc_depth_kind kind;
  double low, high;  // of CC_DEPTH_RANGE: finite, low < high
} cc_depth;

typedef struct cc_decode {
  const void *bytes;
  size_t count;
  uint32_t width, height;  // of the whole picture, as the size function gave them
  cc_region region;        // inside the picture and not empty
  uint8_t *pixels;         // receives the region's 8-bit RGB rows without gaps

  cc_depth depth;

  uint32_t max_scans;  // of a JPEG
  // A JPEG's scans times its pixels; a PNG's or a packed TIFF's bytes before compression, twice, or four
  // times for an interlaced PNG.
  uint64_t max_work;
  // The memory beside `bytes`: `held_bytes`, the caller's, and the codec's own for the whole picture,
  // whatever the region is, so that a file passes or fails as such.
  uint64_t max_bytes, held_bytes;
  // JPEG: where the bytes end too early, go on with gray; the status is CC_TRUNCATED still. All: `lowest` and
  // `highest` are found.
  int tolerant;

  // Results.
  int begun;               // the header was good, and pixels followed
  int deep;                // its samples have more than 8 bits, and became levels by the range low to high
  double low, high;        // of deep samples: these values became 0 and 255
  double lowest, highest;  // of deep samples, if tolerant: the smallest and the largest, alpha left out
  uint64_t bytes_needed;   // set with CC_OVER_MEMORY
  cc_message message;
} cc_decode;

// Decodes a region with the values that it has in the whole picture. After CC_OK every byte of `pixels` is
// written, after anything else the rows that were reached.
cc_status cc_jpeg_decode(cc_decode *decode);
cc_status cc_png_decode(cc_decode *decode);
cc_status cc_webp_decode(cc_decode *decode);
cc_status cc_tiff_decode(cc_decode *decode);
cc_status cc_bmp_decode(cc_decode *decode);
cc_status cc_gif_decode(cc_decode *decode);
cc_status cc_pnm_decode(cc_decode *decode);
cc_status cc_avif_decode(cc_decode *decode);

// A PNG's samples as they are stored, in rows without gaps.
typedef struct cc_samples {
  const void *bytes;
  size_t count;
  uint32_t width, height;  // as cc_png_size gave them
  size_t sample;           // bytes of a pixel, as cc_png_sample gave them
  uint8_t *samples;        // receives width * height * sample bytes
  uint8_t *palette;        // receives up to 256 colours of three bytes
  uint64_t max_work;       // as in cc_decode
  uint64_t max_bytes;      // with the samples, but not the file

  // Results.
  int palette_count;
  cc_message message;
} cc_samples;

// The bytes of a PNG's pixel as it is stored: 1 for gray of up to 8 bits or a place in a palette, 2 for gray
// of 16 bits, the high byte first, 3 for colours of 8 bits, alpha left out; 0 for other kinds.
cc_status cc_png_sample(const void *bytes, size_t count, size_t *sample, int *is_palette,
                        cc_message *message);

// After CC_OK all samples are written.
cc_status cc_png_samples(cc_samples *wanted);

// Encodes interleaved 8-bit RGB rows as a PNG. `png` is set only on CC_OK.
cc_status cc_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, cc_buffer *png,
                        cc_message *message);

// Encodes rows of a byte a pixel as a PNG: with up to 256 colours of three bytes as places in this palette,
// with 0 colours as gray. `png` is set only on CC_OK.
cc_status cc_png_encode_labels(const uint8_t *labels, uint32_t width, uint32_t height, const uint8_t *palette,
                               int colours, cc_buffer *png, cc_message *message);

// Encodes interleaved 8-bit RGB rows as a baseline JPEG, colour at full resolution (4:4:4). `quality` is
// libjpeg's, 1 to 100. `jpeg` is set only on CC_OK; CC_UNSUPPORTED is a picture that JPEG cannot hold.
cc_status cc_jpeg_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int quality, cc_buffer *jpeg,
                         cc_message *message);
