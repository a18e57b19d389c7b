#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "include/zlib_bytes.h"

static MocoZlibStatus moco_fail(MocoZlibMessage *message, MocoZlibStatus status, const char *text) {
  snprintf(message->text, sizeof message->text, "%s", text);
  return status;
}

uint32_t moco_crc32(uint32_t seed, const void *bytes, size_t count) {
  return (uint32_t)crc32_z(seed, bytes, count);
}

// Makes room for more output, never beyond limit + 1 bytes: the one byte too many shows that there is more.
static int grow(MocoZlibBuffer *out, size_t *capacity, size_t limit) {
  const size_t most = limit < SIZE_MAX ? limit + 1 : limit;
  size_t wanted = *capacity < (64 << 10) ? (64 << 10) : *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
  if (wanted > most) wanted = most;
  uint8_t *grown = realloc(out->bytes, wanted);
  if (grown == NULL) return 0;
  out->bytes = grown;
  *capacity = wanted;
  return 1;
}

static uInt at_most_uint(size_t count) { return count < 1u << 30 ? (uInt)count : 1u << 30; }

// Inflates one member from `stream`, appending to `out`; returns with *left bytes unread.
static MocoZlibStatus inflate_member(z_stream *stream, size_t *left, MocoZlibBuffer *out, size_t *capacity,
                                 size_t limit, MocoZlibMessage *message) {
  for (;;) {
    if (out->count > limit) return MocoZlibStatusOverOutput;
    if (out->count == *capacity && !grow(out, capacity, limit)) return MocoZlibStatusOutOfMemory;
    const uInt offered = at_most_uint(*left);
    const uInt room = at_most_uint(*capacity - out->count);
    stream->avail_in = offered;
    stream->next_out = out->bytes + out->count;
    stream->avail_out = room;
    const int result = inflate(stream, Z_NO_FLUSH);
    *left -= offered - stream->avail_in;
    out->count += room - stream->avail_out;
    if (result == Z_STREAM_END) return out->count > limit ? MocoZlibStatusOverOutput : MocoZlibStatusOk;
    if (result == Z_MEM_ERROR) return MocoZlibStatusOutOfMemory;
    if (result != Z_OK && result != Z_BUF_ERROR) {
      return moco_fail(message, MocoZlibStatusCorrupt, stream->msg ? stream->msg : "not a gzip stream");
    }
    if (*left == 0 && stream->avail_out > 0) return MocoZlibStatusTruncated;
  }
}

MocoZlibStatus moco_gunzip(const void *bytes, size_t count, size_t limit, MocoZlibBuffer *plain, MocoZlibMessage *message) {
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return MocoZlibStatusOutOfMemory;
  stream.next_in = (Bytef *)(uintptr_t)bytes;
  size_t left = count;
  MocoZlibBuffer out = {NULL, 0};
  size_t capacity = 0;
  MocoZlibStatus status;
  do {
    status = inflate_member(&stream, &left, &out, &capacity, limit, message);
    // Zeros after a member are padding (as on tapes), anything else must be the next member.
    while (left > 0 && *stream.next_in == 0) {
      stream.next_in++;
      left--;
    }
  } while (status == MocoZlibStatusOk && left > 0 && inflateReset(&stream) == Z_OK);
  inflateEnd(&stream);
  if (status == MocoZlibStatusOk) {
    *plain = out;
  } else {
    free(out.bytes);
  }
  return status;
}

MocoZlibStatus moco_inflate(const void *bytes, size_t count, void *plain, size_t plain_count, MocoZlibMessage *message) {
  uint8_t none;
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return MocoZlibStatusOutOfMemory;
  stream.next_in = (Bytef *)(uintptr_t)bytes;
  stream.next_out = plain_count > 0 ? plain : &none;
  size_t left = count, room = plain_count;
  int result;
  do {
    const uInt offered = at_most_uint(left), space = at_most_uint(room);
    stream.avail_in = offered;
    stream.avail_out = space;
    result = inflate(&stream, Z_NO_FLUSH);
    left -= offered - stream.avail_in;
    room -= space - stream.avail_out;
  } while (result == Z_OK);
  MocoZlibStatus status = MocoZlibStatusOk;
  if (result == Z_MEM_ERROR) {
    status = MocoZlibStatusOutOfMemory;
  } else if (result == Z_BUF_ERROR) {
    status = left == 0 && room > 0 ? MocoZlibStatusTruncated : MocoZlibStatusOverOutput;
  } else if (result != Z_STREAM_END) {
    status = moco_fail(message, MocoZlibStatusCorrupt, stream.msg ? stream.msg : "not a deflate stream");
  } else if (left > 0 || room > 0) {
    status = moco_fail(message, MocoZlibStatusCorrupt, "the stream has another length");
  }
  inflateEnd(&stream);
  return status;
}
