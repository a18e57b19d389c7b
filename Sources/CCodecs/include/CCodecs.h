// The codec libraries behind plain C functions: libjpeg-turbo, libpng, libwebp and zlib.
//
// Every function returns a status and never calls back; errors and long jumps of the libraries end inside it.
// Bytes go in as (pointer, count) and are never written or kept.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum __attribute__((enum_extensibility(closed))) MocoStatus {
  MocoStatusOk = 0,
  MocoStatusTruncated,     // the bytes end too early
  MocoStatusCorrupt,       // the bytes contradict themselves or the format
  MocoStatusUnsupported,   // a legal file of a kind that is not decoded
  MocoStatusOverLimit,     // more scans, or more output, than the caller allows
  MocoStatusOutOfMemory,
} MocoStatus;

// The library's own words about a failure; empty if it had none.
typedef struct MocoMessage {
  char text[200];
} MocoMessage;

// Memory from malloc; the receiver frees it.
typedef struct MocoBuffer {
  uint8_t *bytes;
  size_t count;
} MocoBuffer;

// Width and height from the header alone; nothing in proportion to them is allocated.
MocoStatus moco_jpeg_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                          MocoMessage *message);
MocoStatus moco_png_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                         MocoMessage *message);
MocoStatus moco_webp_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                          MocoMessage *message);

// Decodes to interleaved 8-bit RGB rows without gaps. `pixels` holds width * height * 3 bytes, with the width
// and height that the size function gave; after Ok every one of them is written.
MocoStatus moco_jpeg_decode(const void *bytes, size_t count, uint32_t width, uint32_t height,
                            uint32_t max_scans, uint8_t *pixels, MocoMessage *message);
MocoStatus moco_png_decode(const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
                           MocoMessage *message);
MocoStatus moco_webp_decode(const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
                            MocoMessage *message);

// Encodes interleaved 8-bit RGB rows as a PNG. `png` is set only on Ok.
MocoStatus moco_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, MocoBuffer *png,
                           MocoMessage *message);

// Unpacks all members of a gzip file, at most `limit` bytes. `plain` is set only on Ok.
MocoStatus moco_gunzip(const void *bytes, size_t count, size_t limit, MocoBuffer *plain, MocoMessage *message);

// CRC-32 (IEEE 802.3, as in PNG, gzip and zip). Begin with seed 0; pass the last result to go on.
uint32_t moco_crc32(uint32_t seed, const void *bytes, size_t count);
