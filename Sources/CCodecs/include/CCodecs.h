// The codec libraries behind plain C functions: libjpeg-turbo, libpng and libwebp.
//
// Every function returns a status and never calls back; errors and long jumps of the libraries end inside it.
// Bytes go in as (pointer, count) and are never written or kept.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum __attribute__((enum_extensibility(closed))) MocoStatus {
  MocoStatusOk = 0,
  MocoStatusTruncated,    // the bytes end too early
  MocoStatusCorrupt,      // the bytes contradict themselves or the format
  MocoStatusUnsupported,  // a legal file of a kind that is not decoded
  MocoStatusOverOutput,   // more output than the caller allows
  MocoStatusOverScans,    // more scans than the caller allows
  MocoStatusOverWork,     // more work than the caller allows
  MocoStatusOverMemory,   // decoding takes more memory than the caller allows
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

// Columns left ..< left + width of rows top ..< top + height.
typedef struct MocoRegion {
  uint32_t left, top, width, height;
} MocoRegion;

typedef struct MocoDecode {
  const void *bytes;
  size_t count;
  uint32_t width, height;  // of the whole picture, as the size function gave them
  MocoRegion region;       // inside the picture and not empty
  uint8_t *pixels;         // receives the region's 8-bit RGB rows without gaps

  uint32_t max_scans;  // of a JPEG
  // A JPEG's scans times its pixels; a PNG's bytes before compression, twice, or four times if it is interlaced.
  uint64_t max_work;
  // What decoding takes beside `bytes`: `held_bytes`, the caller's, and the codec's own for the whole picture,
  // whatever the region is, so that a file passes or fails as such.
  uint64_t max_bytes, held_bytes;
  int tolerant;  // JPEG: where the bytes end too early, go on with gray; the status still says Truncated

  // What came of it.
  int begun;              // the header was good, and pixels followed
  uint64_t bytes_needed;  // set with OverMemory
  MocoMessage message;
} MocoDecode;

// Decodes a region with the values that it has in the whole picture. After Ok every byte of `pixels` is written,
// after anything else the rows that were reached.
MocoStatus moco_jpeg_decode(MocoDecode *decode);
MocoStatus moco_png_decode(MocoDecode *decode);
MocoStatus moco_webp_decode(MocoDecode *decode);

// Encodes interleaved 8-bit RGB rows as a PNG. `png` is set only on Ok.
MocoStatus moco_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, MocoBuffer *png,
                           MocoMessage *message);

// Encodes interleaved 8-bit RGB rows as a baseline JPEG, colour at full resolution (4:4:4). `quality` is libjpeg's,
// 1 to 100. `jpeg` is set only on Ok; Unsupported is a picture that JPEG cannot hold.
MocoStatus moco_jpeg_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int quality,
                            MocoBuffer *jpeg, MocoMessage *message);
