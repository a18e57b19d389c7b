// Deflate and CRC-32 by zlib. Bytes go in as (pointer, count) and are never written or kept.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum __attribute__((enum_extensibility(closed))) MocoZlibStatus {
  MocoZlibStatusOk = 0,
  MocoZlibStatusTruncated,   // the bytes end too early
  MocoZlibStatusCorrupt,     // the bytes contradict themselves or the format
  MocoZlibStatusOverOutput,  // more output than the caller allows
  MocoZlibStatusOutOfMemory,
} MocoZlibStatus;

// The library's own message about a failure; empty if it had none.
typedef struct MocoZlibMessage {
  char text[200];
} MocoZlibMessage;

// Memory from malloc; the receiver frees it.
typedef struct MocoZlibBuffer {
  uint8_t *bytes;
  size_t count;
} MocoZlibBuffer;

// Unpacks all members of a gzip file, at most `limit` bytes. `plain` is set only on Ok.
MocoZlibStatus moco_gunzip(const void *bytes, size_t count, size_t limit, MocoZlibBuffer *plain, MocoZlibMessage *message);

// Unpacks a raw deflate stream, as in zip, that fills `plain` exactly.
MocoZlibStatus moco_inflate(const void *bytes, size_t count, void *plain, size_t plain_count, MocoZlibMessage *message);

// CRC-32 (IEEE 802.3, as in PNG, gzip and zip). Begin with seed 0; pass the last result to go on.
uint32_t moco_crc32(uint32_t seed, const void *bytes, size_t count);
