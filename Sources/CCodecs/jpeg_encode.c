#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jerror.h>
#include <jpeglib.h>

#include "shared.h"

// libjpeg leaves its own frames by longjmp to `escape`, which is set before its first call.
typedef struct Session {
  struct jpeg_compress_struct codec;
  struct jpeg_error_mgr errors;
  struct jpeg_destination_mgr destination;
  jmp_buf escape;
  cc_status status;
  cc_message *message;
  uint8_t *bytes;
  size_t capacity;
} Session;

static void on_error(j_common_ptr codec) {
  Session *session = codec->client_data;
  char text[JMSG_LENGTH_MAX];
  session->errors.format_message(codec, text);
  snprintf(session->message->text, sizeof session->message->text, "%s", text);
  session->status = session->errors.msg_code == JERR_OUT_OF_MEMORY ? CC_OUT_OF_MEMORY : CC_UNSUPPORTED;
  longjmp(session->escape, 1);
}

static void on_message(j_common_ptr codec, int level) {
  (void)codec;
  (void)level;
}

static void on_text(j_common_ptr codec) { (void)codec; }

static void grow(j_compress_ptr codec, size_t capacity) {
  Session *session = codec->client_data;
  const size_t kept = session->capacity;
  uint8_t *bytes = realloc(session->bytes, capacity);
  if (bytes == NULL) ERREXIT1(codec, JERR_OUT_OF_MEMORY, 0);
  session->bytes = bytes;
  session->capacity = capacity;
  session->destination.next_output_byte = bytes + kept;
  session->destination.free_in_buffer = capacity - kept;
}

static void on_begin(j_compress_ptr codec) { grow(codec, 1 << 16); }

// libjpeg calls it when the buffer is full to the last byte.
static boolean on_full(j_compress_ptr codec) {
  Session *session = codec->client_data;
  grow(codec, session->capacity * 2);
  return TRUE;
}

static void on_end(j_compress_ptr codec) { (void)codec; }

static void encode(Session *session, const uint8_t *pixels, uint32_t width, uint32_t height, int quality) {
  j_compress_ptr codec = &session->codec;
  codec->image_width = width;
  codec->image_height = height;
  codec->input_components = 3;
  codec->in_color_space = JCS_RGB;
  jpeg_set_defaults(codec);
  jpeg_set_quality(codec, quality, TRUE);
  codec->comp_info[0].h_samp_factor = codec->comp_info[0].v_samp_factor = 1;  // 4:4:4
  codec->optimize_coding = TRUE;
  jpeg_start_compress(codec, TRUE);
  while (codec->next_scanline < height) {
    JSAMPROW row = (JSAMPROW)(pixels + (size_t)width * 3 * codec->next_scanline);
    jpeg_write_scanlines(codec, &row, 1);
  }
  jpeg_finish_compress(codec);
}

// The function with setjmp owns no variable that changes after it.
static void try_encode(Session *session, const uint8_t *pixels, uint32_t width, uint32_t height,
                       int quality) {
  if (setjmp(session->escape) != 0) return;
  session->codec.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = on_error;
  session->errors.emit_message = on_message;
  session->errors.output_message = on_text;
  session->codec.client_data = session;
  jpeg_create_compress(&session->codec);
  session->destination.init_destination = on_begin;
  session->destination.empty_output_buffer = on_full;
  session->destination.term_destination = on_end;
  session->codec.dest = &session->destination;
  encode(session, pixels, width, height, quality);
}

cc_status cc_jpeg_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int quality, cc_buffer *jpeg,
                         cc_message *message) {
  Session session = {.message = message};
  try_encode(&session, pixels, width, height, quality);
  jpeg_destroy_compress(&session.codec);
  if (session.status == CC_OK) {
    *jpeg = (cc_buffer){session.bytes, session.capacity - session.destination.free_in_buffer};
  } else {
    free(session.bytes);
  }
  return session.status;
}
