#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "levels.h"

// libpng leaves its own frames by longjmp into the function here that called it.
typedef struct Session {
  cc_status status;
  cc_message *message;
  // Reading.
  cc_decode *decode;
  size_t sample;  // bytes of a pixel in libpng's rows: 3, of 16 bits 2 for gray and 6 for colour
  cc_levels levels;
  uint8_t *canvas;  // the whole picture in such pixels, if it is interlaced
  int last_pass;
  int complete;  // the last row of the last pass came
  // Writing.
  cc_buffer written;
  size_t capacity;
} Session;

static void on_error(png_structp png, png_const_charp text) {
  Session *session = png_get_error_ptr(png);
  if (session->status == CC_OK) session->status = CC_CORRUPT;
  cc_fail(session->message, session->status, text);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void leave(png_structp png, cc_status status, const char *text) {
  Session *session = png_get_error_ptr(png);
  session->status = status;
  png_error(png, text);
}

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

// Signature (8), chunk length (4), "IHDR" (4), width (4), height (4).
cc_status cc_png_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                      cc_message *message) {
  const uint8_t *b = bytes;
  if (count < 24) return cc_fail(message, CC_TRUNCATED, "the file ends too early");
  if (png_sig_cmp(b, 0, 8) != 0 || memcmp(b + 12, "IHDR", 4) != 0) {
    return cc_fail(message, CC_CORRUPT, "it does not begin with a header");
  }
  *width = big_endian(b + 16);
  *height = big_endian(b + 20);
  if (*width == 0 || *height == 0 || *width > PNG_UINT_31_MAX || *height > PNG_UINT_31_MAX) {
    return cc_fail(message, CC_CORRUPT, "its header gives an impossible size");
  }
  return CC_OK;
}

// Asks for 8-bit RGB; returns the bytes of a pixel. Samples of 16 bits stay as they are, see put_row.
static size_t set_transformations(png_structp png, png_infop info, Session *session) {
  const int colour = png_get_color_type(png, info);
  const int depth = png_get_bit_depth(png, info);
  const int is_gray = (colour & PNG_COLOR_MASK_COLOR) == 0;
  png_set_strip_alpha(png);
  if (depth == 16) {
    // By the standard samples fill their 16 bits; a chunk sBIT only says how exact they are. For Pillow, gray
    // with alpha is a colour.
    session->levels = cc_levels_of(session->decode, 0, 65535, colour == PNG_COLOR_TYPE_GRAY, 1);
    return is_gray ? 2 : 6;
  }
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (colour == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (is_gray) png_set_gray_to_rgb(png);
  return 3;
}

// Takes the region's part of a row.
static void put_row(const Session *session, uint32_t y, const uint8_t *row) {
  cc_decode *decode = session->decode;
  if (session->sample == 3) {
    cc_take_row(decode, y, row);
    return;
  }
  uint8_t *target = cc_target_row(decode, y);
  if (target == NULL) return;
  row += (size_t)decode->region.left * session->sample;
  const size_t channels = session->sample / 2, samples = decode->region.width * channels;
  for (size_t i = 0; i < samples; i++) {
    const uint16_t sample = (uint16_t)(row[2 * i] << 8 | row[2 * i + 1]);
    if (decode->tolerant) cc_see(decode, sample);
    const uint8_t level = cc_level16(&session->levels, sample);
    if (channels == 3) {
      target[i] = level;
    } else {
      memset(target + 3 * i, level, 3);
    }
  }
}

// The header is over and pixels follow.
static void on_info(png_structp png, png_infop info) {
  Session *session = png_get_progressive_ptr(png);
  cc_decode *decode = session->decode;
  // The header's checksums were enforced. The pixels have zlib's own, and Pillow looks at no other.
  png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  const int interlaced = png_set_interlace_handling(png) > 1;
  const uint64_t bytes = (uint64_t)png_get_rowbytes(png, info) * decode->height;
  if (bytes * (interlaced ? 4 : 2) > decode->max_work) leave(png, CC_OVER_WORK, "");
  session->sample = set_transformations(png, info, session);
  png_read_update_info(png, info);
  if (png_get_image_width(png, info) != decode->width || png_get_image_height(png, info) != decode->height ||
      png_get_rowbytes(png, info) != decode->width * session->sample) {
    leave(png, CC_CORRUPT, "its header changes on the second look");
  }
  session->last_pass = interlaced ? PNG_INTERLACE_ADAM7_PASSES - 1 : 0;
  if (interlaced) {
    const uint64_t canvas = cc_pixel_count(decode) * session->sample;
    if (!cc_may_take(decode, canvas)) leave(png, CC_OVER_MEMORY, "");
    session->canvas = calloc(canvas, 1);
    if (session->canvas == NULL) leave(png, CC_OUT_OF_MEMORY, "out of memory");
  }
  decode->begun = 1;
}

// Called for every row of every pass; `row` is NULL where a pass has none. After the last one nothing more is
// wanted: what follows (the end of zlib's stream, its checksum, the end chunk) may be missing, in Pillow too.
static void on_row(png_structp png, png_bytep row, png_uint_32 y, int pass) {
  Session *session = png_get_progressive_ptr(png);
  if (row != NULL && session->canvas != NULL) {
    png_progressive_combine_row(png, session->canvas + session->sample * session->decode->width * y, row);
  } else if (row != NULL) {
    put_row(session, y, row);
  }
  if (y + 1 < session->decode->height || pass < session->last_pass) return;
  session->complete = 1;
  png_longjmp(png, 1);
}

static void on_end(png_structp png, png_infop info) {
  (void)info;
  leave(png, CC_CORRUPT, "it ends before its pixels do");
}
static void restrict_memory(png_structp png, size_t file_bytes) {
  // The caller has checked the pixels; this bounds the row buffers of a very wide strip.
  png_set_user_limits(png, 1000000, 1000000);
  // libpng's own bound, raised for large files: a chunk of a whole file is no larger than the file.
  const size_t usual = 8000000;
  png_set_chunk_malloc_max(png, file_bytes > usual ? file_bytes : usual);
  png_set_chunk_cache_max(png, 128);
  // Colour profiles, text and the like are skipped unread: the pixels do not depend on them.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
}

// libpng's push reader: it gives each row as soon as zlib does, so that a file is good if all its pixels are
// there. The functions with setjmp own no variable that changes after it.
static void try_decode(png_structp png, png_infop info, Session *session) {
  if (setjmp(png_jmpbuf(png)) != 0) return;
  restrict_memory(png, session->decode->count);
  png_set_progressive_read_fn(png, session, on_info, on_row, on_end);
  png_process_data(png, info, (png_bytep)(uintptr_t)session->decode->bytes, session->decode->count);
  session->status = CC_TRUNCATED;
}

static void put_canvas(const Session *session) {
  if (session->canvas == NULL) return;
  const size_t stride = session->sample * session->decode->width;
  for (uint32_t y = 0; y < session->decode->height; y++) put_row(session, y, session->canvas + stride * y);
}

cc_status cc_png_decode(cc_decode *decode) {
  Session session = {.decode = decode, .message = &decode->message};
  if (!cc_may_take(decode, 0)) return CC_OVER_MEMORY;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning);
  if (png == NULL) return CC_OUT_OF_MEMORY;
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    return CC_OUT_OF_MEMORY;
  }
  try_decode(png, info, &session);
  put_canvas(&session);
  free(session.canvas);
  png_destroy_read_struct(&png, &info, NULL);
  return session.complete ? CC_OK : session.status;
}

static void on_write(png_structp png, png_bytep bytes, size_t count) {
  Session *session = png_get_io_ptr(png);
  cc_buffer *out = &session->written;
  if (session->capacity - out->count < count) {
    const size_t capacity = session->capacity * 2 + count;
    uint8_t *grown = realloc(out->bytes, capacity);
    if (grown == NULL) leave(png, CC_OUT_OF_MEMORY, "out of memory");
    out->bytes = grown;
    session->capacity = capacity;
  }
  memcpy(out->bytes + out->count, bytes, count);
  out->count += count;
}

static void on_flush(png_structp png) { (void)png; }

// What is written: RGB, numbers with a palette of `colours` colours, or gray numbers.
typedef struct Picture {
  const uint8_t *rows;
  uint32_t width, height;
  int kind;  // PNG_COLOR_TYPE_…
  const uint8_t *palette;
  int colours;
} Picture;

static void try_encode(png_structp png, png_infop info, const Picture *picture) {
  if (setjmp(png_jmpbuf(png)) != 0) return;
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_IHDR(png, info, picture->width, picture->height, 8, picture->kind, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (picture->colours > 0) {
    png_color palette[256];
    for (int i = 0; i < picture->colours; i++) {
      const uint8_t *levels = picture->palette + 3 * i;
      palette[i] = (png_color){.red = levels[0], .green = levels[1], .blue = levels[2]};
    }
    png_set_PLTE(png, info, palette, picture->colours);
  }
  png_write_info(png, info);
  const size_t stride = (size_t)picture->width * (picture->kind == PNG_COLOR_TYPE_RGB ? 3 : 1);
  for (uint32_t y = 0; y < picture->height; y++) png_write_row(png, picture->rows + stride * y);
  png_write_end(png, info);
}

static cc_status encode(const Picture *picture, cc_buffer *out, cc_message *message) {
  Session session = {.message = message};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning);
  if (png == NULL) return CC_OUT_OF_MEMORY;
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_write_struct(&png, NULL);
    return CC_OUT_OF_MEMORY;
  }
  png_set_write_fn(png, &session, on_write, on_flush);
  try_encode(png, info, picture);
  png_destroy_write_struct(&png, &info);
  if (session.status == CC_OK) {
    *out = session.written;
  } else {
    free(session.written.bytes);
  }
  return session.status;
}

cc_status cc_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, cc_buffer *png,
                        cc_message *message) {
  const Picture picture = {.rows = pixels, .width = width, .height = height, .kind = PNG_COLOR_TYPE_RGB};
  return encode(&picture, png, message);
}

cc_status cc_png_encode_labels(const uint8_t *labels, uint32_t width, uint32_t height, const uint8_t *palette,
                               int colours, cc_buffer *png, cc_message *message) {
  const Picture picture = {.rows = labels,
                           .width = width,
                           .height = height,
                           .kind = colours > 0 ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY,
                           .palette = palette,
                           .colours = colours};
  return encode(&picture, png, message);
}
