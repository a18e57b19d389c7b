#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "ca_zlib.h"

static ca_zlib_status fail(ca_zlib_message *message, ca_zlib_status status, const char *text) {
  snprintf(message->text, sizeof message->text, "%s", text);
  return status;
}

uint32_t ca_crc32(uint32_t seed, const void *bytes, size_t count) {
  return count == 0 ? seed : libdeflate_crc32(seed, bytes, count);  // zlib's takes four times as long
}

// Makes room for more output, never beyond limit + 1 bytes: the one byte too many shows that there is more.
static int grow(ca_zlib_buffer *out, size_t *capacity, size_t limit) {
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
static ca_zlib_status inflate_member(z_stream *stream, size_t *left, ca_zlib_buffer *out, size_t *capacity,
                                     size_t limit, ca_zlib_message *message) {
  for (;;) {
    if (out->count > limit) return CA_ZLIB_OVER_OUTPUT;
    if (out->count == *capacity && !grow(out, capacity, limit)) return CA_ZLIB_OUT_OF_MEMORY;
    const uInt offered = at_most_uint(*left);
    const uInt room = at_most_uint(*capacity - out->count);
    stream->avail_in = offered;
    stream->next_out = out->bytes + out->count;
    stream->avail_out = room;
    const int result = inflate(stream, Z_NO_FLUSH);
    *left -= offered - stream->avail_in;
    out->count += room - stream->avail_out;
    if (result == Z_STREAM_END) return out->count > limit ? CA_ZLIB_OVER_OUTPUT : CA_ZLIB_OK;
    if (result == Z_MEM_ERROR) return CA_ZLIB_OUT_OF_MEMORY;
    if (result != Z_OK && result != Z_BUF_ERROR) {
      return fail(message, CA_ZLIB_CORRUPT, stream->msg ? stream->msg : "not a gzip stream");
    }
    if (*left == 0 && stream->avail_out > 0) return CA_ZLIB_TRUNCATED;
  }
}

ca_zlib_status ca_gunzip(const void *bytes, size_t count, size_t limit, ca_zlib_buffer *plain,
                         ca_zlib_message *message) {
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return CA_ZLIB_OUT_OF_MEMORY;
  stream.next_in = (Bytef *)(uintptr_t)bytes;
  size_t left = count;
  ca_zlib_buffer out = {NULL, 0};
  size_t capacity = 0;
  ca_zlib_status status;
  do {
    status = inflate_member(&stream, &left, &out, &capacity, limit, message);
    // Zeros after a member are padding (as on tapes), anything else must be the next member.
    while (left > 0 && *stream.next_in == 0) {
      stream.next_in++;
      left--;
    }
  } while (status == CA_ZLIB_OK && left > 0 && inflateReset(&stream) == Z_OK);
  inflateEnd(&stream);
  if (status == CA_ZLIB_OK) {
    *plain = out;
  } else {
    free(out.bytes);
  }
  return status;
}

ca_zlib_status ca_inflate(const void *bytes, size_t count, void *plain, size_t plain_count,
                          ca_zlib_message *message) {
  uint8_t none;
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return CA_ZLIB_OUT_OF_MEMORY;
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
  ca_zlib_status status = CA_ZLIB_OK;
  if (result == Z_MEM_ERROR) {
    status = CA_ZLIB_OUT_OF_MEMORY;
  } else if (result == Z_BUF_ERROR) {
    status = left == 0 && room > 0 ? CA_ZLIB_TRUNCATED : CA_ZLIB_OVER_OUTPUT;
  } else if (result != Z_STREAM_END) {
    status = fail(message, CA_ZLIB_CORRUPT, stream.msg ? stream.msg : "not a deflate stream");
  } else if (left > 0 || room > 0) {
    status = fail(message, CA_ZLIB_CORRUPT, "the stream has another length");
  }
  inflateEnd(&stream);
  return status;
}

struct ca_inflater {
  z_stream stream;
  int ended;
};

ca_inflater *ca_inflater_make(int is_wrapped) {
  ca_inflater *inflater = calloc(1, sizeof *inflater);
  if (inflater == NULL) return NULL;
  if (inflateInit2(&inflater->stream, is_wrapped ? MAX_WBITS : -MAX_WBITS) == Z_OK) return inflater;
  free(inflater);
  return NULL;
}

ca_zlib_status ca_inflater_step(ca_inflater *inflater, const void *bytes, size_t *count, void *plain,
                                size_t *plain_count, int *ended, ca_zlib_message *message) {
  uint8_t none;
  z_stream *stream = &inflater->stream;
  stream->next_in = (Bytef *)(uintptr_t)bytes;
  stream->next_out = *plain_count > 0 ? plain : &none;
  int result = inflater->ended ? Z_STREAM_END : Z_OK;
  while (result == Z_OK && (*count > 0 || *plain_count > 0)) {
    const uInt offered = at_most_uint(*count), room = at_most_uint(*plain_count);
    stream->avail_in = offered;
    stream->avail_out = room;
    result = inflate(stream, Z_NO_FLUSH);
    *count -= offered - stream->avail_in;
    *plain_count -= room - stream->avail_out;
  }
  inflater->ended = *ended = result == Z_STREAM_END;
  if (result == Z_MEM_ERROR) return CA_ZLIB_OUT_OF_MEMORY;
  // Z_BUF_ERROR: nothing more can be done with these bytes and this room.
  if (result == Z_OK || result == Z_BUF_ERROR || result == Z_STREAM_END) return CA_ZLIB_OK;
  return fail(message, CA_ZLIB_CORRUPT, stream->msg ? stream->msg : "not a deflate stream");
}

void ca_inflater_free(ca_inflater *inflater) {
  if (inflater == NULL) return;
  inflateEnd(&inflater->stream);
  free(inflater);
}
