#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

#include "message.h"

// libjpeg leaves its own frames by longjmp to `escape`, which is set before its first call.
typedef struct Session {
  struct jpeg_decompress_struct codec;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  MocoStatus status;
  MocoMessage *message;
  long max_scans;
} Session;

static void leave(Session *session, MocoStatus status) {
  session->status = status;
  longjmp(session->escape, 1);
}

static MocoStatus kind_of_error(int code) {
  switch (code) {
    case JERR_OUT_OF_MEMORY:
      return MocoStatusOutOfMemory;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
      return MocoStatusUnsupported;
    default:
      return MocoStatusCorrupt;
  }
}

static void on_error(j_common_ptr codec) {
  Session *session = codec->client_data;
  char text[JMSG_LENGTH_MAX];
  session->errors.format_message(codec, text);
  snprintf(session->message->text, sizeof session->message->text, "%s", text);
  leave(session, kind_of_error(session->errors.msg_code));
}

// Warnings (stray bytes before a marker, a bad code in one block) leave a picture that Pillow accepts too.
static void on_message(j_common_ptr codec, int level) {
  (void)codec;
  (void)level;
}

static void on_text(j_common_ptr codec) { (void)codec; }

// A file may hold scans without end, each a pass over the whole picture.
static void on_progress(j_common_ptr codec) {
  Session *session = codec->client_data;
  if (session->codec.input_scan_number > session->max_scans) leave(session, MocoStatusOverLimit);
}

static void source_nothing(j_decompress_ptr codec) { (void)codec; }

// All bytes are in memory from the start, so asking for more means that the file ends too early. Answering
// "suspend" makes libjpeg return; its own memory source would invent an end marker and paint the rest grey.
static boolean source_ended(j_decompress_ptr codec) {
  (void)codec;
  return FALSE;
}

static void source_skip(j_decompress_ptr codec, long count) {
  if (count <= 0) return;
  size_t left = codec->src->bytes_in_buffer;
  size_t step = (size_t)count < left ? (size_t)count : left;
  codec->src->next_input_byte += step;
  codec->src->bytes_in_buffer -= step;
}

static void open_session(Session *session, const void *bytes, size_t count) {
  session->codec.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = on_error;
  session->errors.emit_message = on_message;
  session->errors.output_message = on_text;
  session->codec.client_data = session;
  jpeg_create_decompress(&session->codec);

  session->source.next_input_byte = bytes;
  session->source.bytes_in_buffer = count;
  session->source.init_source = source_nothing;
  session->source.fill_input_buffer = source_ended;
  session->source.skip_input_data = source_skip;
  session->source.resync_to_restart = jpeg_resync_to_restart;
  session->source.term_source = source_nothing;
  session->codec.src = &session->source;

  session->progress.progress_monitor = on_progress;
  session->codec.progress = &session->progress;
}

static void read_header(Session *session) {
  int found;
  do {
    found = jpeg_read_header(&session->codec, FALSE);
  } while (found == JPEG_HEADER_TABLES_ONLY);
  if (found == JPEG_SUSPENDED) leave(session, MocoStatusTruncated);
}

// The functions with setjmp own no variable that changes after it.
static void try_header(Session *session, const void *bytes, size_t count) {
  if (setjmp(session->escape) != 0) return;
  open_session(session, bytes, count);
  read_header(session);
}

MocoStatus moco_jpeg_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                          MocoMessage *message) {
  Session session = {.message = message, .max_scans = 1};
  try_header(&session, bytes, count);
  *width = session.codec.image_width;
  *height = session.codec.image_height;
  jpeg_destroy_decompress(&session.codec);
  return session.status;
}

static void require_rows(Session *session, JDIMENSION rows) {
  if (rows == 0) leave(session, MocoStatusTruncated);
}

static void read_rgb_rows(Session *session, uint8_t *pixels) {
  const size_t stride = (size_t)session->codec.output_width * 3;
  while (session->codec.output_scanline < session->codec.output_height) {
    JSAMPROW row = pixels + stride * session->codec.output_scanline;
    require_rows(session, jpeg_read_scanlines(&session->codec, &row, 1));
  }
}

// round(a * b / 255) for bytes.
static inline int scaled(int a, int b) {
  int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

// Adobe stores CMYK inverted, and so does nearly everyone: 255 is no ink. Ink c over black k leaves
// (255 - k) - c * (255 - k) / 255, Pillow's formula.
static void read_cmyk_rows(Session *session, uint8_t *pixels) {
  j_decompress_ptr codec = &session->codec;
  const size_t width = codec->output_width;
  JSAMPARRAY row = codec->mem->alloc_sarray((j_common_ptr)codec, JPOOL_IMAGE, (JDIMENSION)width * 4, 1);
  while (codec->output_scanline < codec->output_height) {
    uint8_t *out = pixels + width * 3 * codec->output_scanline;
    require_rows(session, jpeg_read_scanlines(codec, row, 1));
    const uint8_t *in = row[0];
    for (size_t x = 0; x < width; x++, in += 4, out += 3) {
      const int light = in[3];
      out[0] = (uint8_t)(light - scaled(255 - in[0], light));
      out[1] = (uint8_t)(light - scaled(255 - in[1], light));
      out[2] = (uint8_t)(light - scaled(255 - in[2], light));
    }
  }
}

static void decode(Session *session, uint32_t width, uint32_t height, uint8_t *pixels) {
  j_decompress_ptr codec = &session->codec;
  read_header(session);
  const int inks = codec->num_components == 4;
  if (codec->num_components != 1 && codec->num_components != 3 && !inks) {
    moco_fail(session->message, MocoStatusUnsupported, "neither 1, 3 nor 4 colour components");
    leave(session, MocoStatusUnsupported);
  }
  codec->out_color_space = inks ? JCS_CMYK : JCS_RGB;
  if (!jpeg_start_decompress(codec)) leave(session, MocoStatusTruncated);
  if (codec->output_width != width || codec->output_height != height) leave(session, MocoStatusCorrupt);
  if (inks) {
    read_cmyk_rows(session, pixels);
  } else {
    read_rgb_rows(session, pixels);
  }
  // A segment that broke off was filled with gray; what follows it then makes no sense, which shows only here.
  // A missing end marker alone does no harm.
  jpeg_finish_decompress(codec);
}

static void try_decode(Session *session, const void *bytes, size_t count, uint32_t width, uint32_t height,
                       uint8_t *pixels) {
  if (setjmp(session->escape) != 0) return;
  open_session(session, bytes, count);
  decode(session, width, height, pixels);
}

MocoStatus moco_jpeg_decode(const void *bytes, size_t count, uint32_t width, uint32_t height,
                            uint32_t max_scans, uint8_t *pixels, MocoMessage *message) {
  Session session = {.message = message, .max_scans = max_scans};
  try_decode(&session, bytes, count, width, height, pixels);
  jpeg_destroy_decompress(&session.codec);
  return session.status;
}
