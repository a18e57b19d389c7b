#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jerror.h>
#include <jpeglib.h>

#include "shared.h"

// libjpeg leaves its own frames by longjmp to `escape`, which is set before its first call. A session serves
// one file: the tables of one file must not be there for the next.
typedef struct Session {
  struct jpeg_decompress_struct codec;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  cc_status status;
  cc_decode *decode;
  int done;  // every row wanted is there
} Session;

// The first failure counts: after a truncation that was tolerated, more may follow.
static void leave(Session *session, cc_status status) {
  if (session->status == CC_OK) session->status = status;
  longjmp(session->escape, 1);
}

static cc_status kind_of_error(int code) {
  switch (code) {
    case JERR_OUT_OF_MEMORY: return CC_OUT_OF_MEMORY;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED: return CC_UNSUPPORTED;
    default: return CC_CORRUPT;
  }
}

static void on_error(j_common_ptr codec) {
  Session *session = codec->client_data;
  char text[JMSG_LENGTH_MAX];
  session->errors.format_message(codec, text);
  leave(session, cc_fail(&session->decode->message, kind_of_error(session->errors.msg_code), text));
}

// Warnings (stray bytes before a marker, a bad code in one block) leave a picture that Pillow accepts too.
static void on_message(j_common_ptr codec, int level) {
  (void)codec;
  (void)level;
}

static void on_text(j_common_ptr codec) { (void)codec; }

// A file may hold scans without end, each a pass over the whole picture.
static void check_scans(Session *session, uint64_t scans) {
  const cc_decode *decode = session->decode;
  if (scans > decode->max_scans) leave(session, CC_OVER_SCANS);
  if (scans * cc_pixel_count(decode) > decode->max_work) leave(session, CC_OVER_WORK);
}

static void on_progress(j_common_ptr codec) {
  Session *session = codec->client_data;
  check_scans(session, (uint64_t)session->codec.input_scan_number);
}

static void source_nothing(j_decompress_ptr codec) { (void)codec; }

// All bytes are in memory from the start, so asking for more means that the file ends too early. libjpeg's
// own memory source would invent an end marker and paint the rest gray.
static boolean source_ended(j_decompress_ptr codec) {
  static const JOCTET end_marker[2] = {0xFF, JPEG_EOI};
  Session *session = codec->client_data;
  if (session->done) return FALSE;
  if (!session->decode->tolerant || !session->decode->begun) leave(session, CC_TRUNCATED);
  session->status = CC_TRUNCATED;
  codec->src->next_input_byte = end_marker;
  codec->src->bytes_in_buffer = sizeof end_marker;
  return TRUE;
}

static void source_skip(j_decompress_ptr codec, long count) {
  if (count <= 0) return;
  size_t left = codec->src->bytes_in_buffer;
  size_t step = (size_t)count < left ? (size_t)count : left;
  codec->src->next_input_byte += step;
  codec->src->bytes_in_buffer -= step;
}

static void open_session(Session *session) {
  session->codec.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = on_error;
  session->errors.emit_message = on_message;
  session->errors.output_message = on_text;
  session->codec.client_data = session;
  jpeg_create_decompress(&session->codec);

  session->source.next_input_byte = session->decode->bytes;
  session->source.bytes_in_buffer = session->decode->count;
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
  while (jpeg_read_header(&session->codec, FALSE) == JPEG_HEADER_TABLES_ONLY) continue;
}

// The functions with setjmp own no variable that changes after it.
static void try_header(Session *session) {
  if (setjmp(session->escape) != 0) return;
  open_session(session);
  read_header(session);
}

cc_status cc_jpeg_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                       cc_message *message) {
  cc_decode decode = {.bytes = bytes, .count = count};
  Session session = {.decode = &decode};
  try_header(&session);
  *width = session.codec.image_width;
  *height = session.codec.image_height;
  *message = decode.message;
  jpeg_destroy_decompress(&session.codec);
  return session.status;
}

// A file of several scans is held as coefficients, 16 bits each, in blocks of 8 x 8 that fill whole MCUs.
static uint64_t coefficient_bytes(j_decompress_ptr codec) {
  if (!jpeg_has_multiple_scans(codec)) return 0;
  uint64_t blocks = 0;
  for (int i = 0; i < codec->num_components; i++) {
    const jpeg_component_info *part = &codec->comp_info[i];
    const uint64_t across = part->width_in_blocks + (uint64_t)part->h_samp_factor - 1;
    const uint64_t down = part->height_in_blocks + (uint64_t)part->v_samp_factor - 1;
    blocks += across * down;
  }
  return blocks * sizeof(JBLOCK);
}

// Passes over the data of a scan, which begin at `*at`, to the marker that ends them: its code, or 0 if there
// is none. Restart markers and stuffed zeros belong to the data.
static int marker_after_scan(const uint8_t **at, const uint8_t *end) {
  while (*at < end && (*at = memchr(*at, 0xFF, (size_t)(end - *at))) != NULL) {
    while (*at < end && **at == 0xFF) (*at)++;
    if (*at == end) return 0;
    const int code = *(*at)++;
    if (code != 0 && (code < JPEG_RST0 || code > JPEG_RST0 + 7)) return code;
  }
  return 0;
}

// How many scans there are from here on, the one whose data come next included.
static uint64_t scans_ahead(j_decompress_ptr codec) {
  enum { start_of_scan = 0xDA };
  const uint8_t *at = codec->src->next_input_byte;
  const uint8_t *end = at + codec->src->bytes_in_buffer;
  uint64_t scans = 1;
  int code;
  while ((code = marker_after_scan(&at, end)) != 0 && code != JPEG_EOI) {
    scans += code == start_of_scan;
    // A segment: its length counts itself.
    const size_t length = end - at < 2 ? 0 : (size_t)at[0] << 8 | at[1];
    if (length < 2 || length > (size_t)(end - at)) break;
    at += length;
  }
  return scans;
}

// Whether the data of the only scan, which come next, run up to an end marker. Only then does leaving them
// early not change the verdict: the entropy decoder stops at a marker, so it cannot ask for more bytes, and
// nothing stands behind the scan that could be wrong.
static int scan_runs_to_end(j_decompress_ptr codec) {
  const uint8_t *at = codec->src->next_input_byte;
  return marker_after_scan(&at, at + codec->src->bytes_in_buffer) == JPEG_EOI;
}

// libjpeg smooths blocks over their neighbours' where a progressive file leaves coefficients unknown.
static int all_coefficients_known(j_decompress_ptr codec) {
  if (!codec->progressive_mode) return 1;
  for (int i = 0; i < codec->num_components; i++) {
    for (int k = 0; k < DCTSIZE2; k++) {
      if (codec->coef_bits[i][k] != 0) return 0;
    }
  }
  return 1;
}

static int can_leave_out(Session *session) {
  j_decompress_ptr codec = &session->codec;
  if (cc_is_whole(session->decode) || session->decode->tolerant || codec->arith_code) return 0;
  return jpeg_has_multiple_scans(codec) ? all_coefficients_known(codec) : scan_runs_to_end(codec);
}

// Cuts the columns to the MCUs of the region and of one sample of colour more on either side, because
// upsampling looks at the neighbour; returns the first column that is left. At least two samples are left, so
// that libjpeg keeps its way of upsampling.
static JDIMENSION crop_columns(j_decompress_ptr codec, const cc_region *region) {
  const JDIMENSION sample = (JDIMENSION)codec->max_h_samp_factor, mcu = sample * DCTSIZE;
  JDIMENSION left = region->left < sample ? 0 : (region->left - sample) / mcu * mcu;
  const JDIMENSION end = (region->left + region->width + sample + mcu - 1) / mcu * mcu;
  JDIMENSION width = (end < codec->output_width ? end : codec->output_width) - left;
  jpeg_crop_scanline(codec, &left, &width);
  return left;
}

// Adobe stores CMYK inverted, and so does nearly everyone: 255 is no ink. Ink c over black k leaves
// (255 - k) - c * (255 - k) / 255, Pillow's formula.
static void convert_inks(const uint8_t *in, uint8_t *out, size_t width) {
  for (size_t x = 0; x < width; x++, in += 4, out += 3) {
    const int light = in[3];
    out[0] = (uint8_t)(light - cc_scaled(255 - in[0], light));
    out[1] = (uint8_t)(light - cc_scaled(255 - in[1], light));
    out[2] = (uint8_t)(light - cc_scaled(255 - in[2], light));
  }
}

// Reads rows up to `end`. Those of the region go out; where they are whole, without a copy.
static void read_rows(j_decompress_ptr codec, const cc_decode *decode, JDIMENSION left, JDIMENSION end) {
  const int inks = codec->out_color_space == JCS_CMYK;
  const size_t sample = inks ? 4 : 3;
  const size_t offset = (decode->region.left - left) * sample;
  const int direct = !inks && codec->output_width == decode->region.width;
  JSAMPARRAY spare =
      codec->mem->alloc_sarray((j_common_ptr)codec, JPOOL_IMAGE, codec->output_width * (JDIMENSION)sample, 1);
  while (codec->output_scanline < end) {
    uint8_t *target = cc_target_row(decode, codec->output_scanline);
    JSAMPROW row = direct && target != NULL ? target : spare[0];
    jpeg_read_scanlines(codec, &row, 1);
    if (target == NULL || row == target) continue;
    if (inks) {
      convert_inks(row + offset, target, decode->region.width);
    } else {
      memcpy(target, row + offset, (size_t)decode->region.width * 3);
    }
  }
}

static void start(Session *session) {
  j_decompress_ptr codec = &session->codec;
  cc_decode *decode = session->decode;
  read_header(session);
  const int inks = codec->num_components == 4;
  if (codec->num_components != 1 && codec->num_components != 3 && !inks) {
    leave(session, cc_fail(&decode->message, CC_UNSUPPORTED, "neither 1, 3 nor 4 colour components"));
  }
  if (codec->image_width != decode->width || codec->image_height != decode->height) {
    leave(session, cc_fail(&decode->message, CC_CORRUPT, "its size changes on the second look"));
  }
  if (!cc_may_take(decode, coefficient_bytes(codec))) leave(session, CC_OVER_MEMORY);
  // Counted before the coefficients' memory is touched.
  check_scans(session, jpeg_has_multiple_scans(codec) ? scans_ahead(codec) : 1);
  decode->begun = 1;
  codec->out_color_space = inks ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(codec);
}

static void decode_region(Session *session) {
  start(session);
  j_decompress_ptr codec = &session->codec;
  const cc_region *region = &session->decode->region;
  if (can_leave_out(session)) {
    const JDIMENSION left = crop_columns(codec, region);
    // From the first row on: libjpeg-turbo up to 3.1 mixes up rows if a skip begins inside an MCU (its issue
    // 915).
    if (region->top > 0) jpeg_skip_scanlines(codec, region->top);
    read_rows(codec, session->decode, left, region->top + region->height);
    return;
  }
  read_rows(codec, session->decode, 0, codec->output_height);
  // A segment that broke off was filled with gray; what follows it then makes no sense, which shows only
  // here. A missing end marker alone does no harm.
  session->done = 1;
  jpeg_finish_decompress(codec);
}

static void try_decode(Session *session) {
  if (setjmp(session->escape) != 0) return;
  open_session(session);
  decode_region(session);
}

cc_status cc_jpeg_decode(cc_decode *decode) {
  Session session = {.decode = decode};
  try_decode(&session);
  jpeg_destroy_decompress(&session.codec);
  return session.status;
}
