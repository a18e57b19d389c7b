// Deflate and CRC-32 by zlib. Bytes go in as (pointer, count) and are never written or kept.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ca_enum.h"

typedef enum CA_CLOSED ca_zlib_status {
  CA_ZLIB_OK CA_CASE(ok) = 0,
  CA_ZLIB_TRUNCATED CA_CASE(truncated),     // the bytes end too early
  CA_ZLIB_CORRUPT CA_CASE(corrupt),         // the bytes contradict themselves or the format
  CA_ZLIB_OVER_OUTPUT CA_CASE(overOutput),  // more output than the caller allows
  CA_ZLIB_OUT_OF_MEMORY CA_CASE(outOfMemory),
} ca_zlib_status;

// The library's message about a failure, or empty.
typedef struct ca_zlib_message {
  char text[200];
} ca_zlib_message;

// Memory from malloc; the receiver frees it.
typedef struct ca_zlib_buffer {
  uint8_t *bytes;
  size_t count;
} ca_zlib_buffer;

// Unpacks all members of a gzip file, at most `limit` bytes. `plain` is set only on CA_ZLIB_OK.
ca_zlib_status ca_gunzip(const void *bytes, size_t count, size_t limit, ca_zlib_buffer *plain,
                         ca_zlib_message *message);

// Unpacks a raw deflate stream, as in zip, that fills `plain` exactly.
ca_zlib_status ca_inflate(const void *bytes, size_t count, void *plain, size_t plain_count,
                          ca_zlib_message *message);

// Unpacks a deflate stream a part at a time, raw as in zip or in zlib's wrapping.
typedef struct ca_inflater ca_inflater;

// NULL when there is no memory.
ca_inflater *ca_inflater_make(int is_wrapped);

// Unpacks until `plain` is full, the bytes are used up, or the stream ends. `count` becomes the number of
// bytes that are left, `plain_count` the room that is left.
ca_zlib_status ca_inflater_step(ca_inflater *inflater, const void *bytes, size_t *count, void *plain,
                                size_t *plain_count, int *ended, ca_zlib_message *message);

void ca_inflater_free(ca_inflater *inflater);

// CRC-32 (IEEE 802.3, as in PNG, gzip and zip). Begin with seed 0; pass the last result to go on.
uint32_t ca_crc32(uint32_t seed, const void *bytes, size_t count);
