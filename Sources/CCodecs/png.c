#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

// libpng leaves its own frames by longjmp into the function here that called it.
typedef struct Session {
  const uint8_t *bytes;  // what is left to read
  size_t count;
  MocoBuffer written;
  size_t capacity;
  MocoStatus status;
  MocoMessage *message;
} Session;

static void on_error(png_structp png, png_const_charp text) {
  Session *session = png_get_error_ptr(png);
  if (session->status == MocoStatusOk) session->status = MocoStatusCorrupt;
  moco_fail(session->message, session->status, text);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void leave(png_structp png, MocoStatus status, const char *text) {
  Session *session = png_get_error_ptr(png);
  session->status = status;
  png_error(png, text);
}

static void on_read(png_structp png, png_bytep out, size_t count) {
  Session *session = png_get_io_ptr(png);
  if (count > session->count) leave(png, MocoStatusTruncated, "the file ends too early");
  memcpy(out, session->bytes, count);
  session->bytes += count;
  session->count -= count;
}

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

// Signature (8), chunk length (4), "IHDR" (4), width (4), height (4).
MocoStatus moco_png_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                         MocoMessage *message) {
  const uint8_t *b = bytes;
  if (count < 24) return moco_fail(message, MocoStatusTruncated, "the file ends too early");
  if (png_sig_cmp(b, 0, 8) != 0 || memcmp(b + 12, "IHDR", 4) != 0) {
    return moco_fail(message, MocoStatusCorrupt, "it does not begin with a header");
  }
  *width = big_endian(b + 16);
  *height = big_endian(b + 20);
  if (*width == 0 || *height == 0 || *width > PNG_UINT_31_MAX || *height > PNG_UINT_31_MAX) {
    return moco_fail(message, MocoStatusCorrupt, "its header gives an impossible size");
  }
  return MocoStatusOk;
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

// Asks for 8-bit RGB. 16-bit gray stays as it is, see clip_gray16.
static int set_transformations(png_structp png, png_infop info) {
  const int colour = png_get_color_type(png, info);
  const int depth = png_get_bit_depth(png, info);
  if (colour == PNG_COLOR_TYPE_GRAY && depth == 16) return 1;
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (colour == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  if ((colour & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
  if (depth == 16) png_set_strip_16(png);
  png_set_strip_alpha(png);
  return 0;
}

// Pillow reads 16-bit gray as integers and clips them at 255. In place: 2 bytes a pixel grow to 3 from the right.
static void clip_gray16(uint8_t *row, size_t width) {
  for (size_t x = width; x-- > 0;) {
    const uint8_t gray = row[2 * x] != 0 ? 255 : row[2 * x + 1];
    memset(row + 3 * x, gray, 3);
  }
}

static void decode(png_structp png, png_infop info, uint32_t width, uint32_t height, uint8_t *pixels) {
  const size_t stride = (size_t)width * 3;
  png_read_info(png, info);
  // The header's checksums were enforced. The pixels have zlib's own, and Pillow looks at no other.
  png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  const int gray16 = set_transformations(png, info);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height ||
      png_get_rowbytes(png, info) != (gray16 ? (size_t)width * 2 : stride)) {
    leave(png, MocoStatusCorrupt, "its header changes on the second look");
  }
  for (int pass = 0; pass < passes; pass++) {
    for (uint32_t y = 0; y < height; y++) png_read_row(png, pixels + stride * y, NULL);
  }
  if (!gray16) return;
  for (uint32_t y = 0; y < height; y++) clip_gray16(pixels + stride * y, width);
}

// The functions with setjmp own no variable that changes after it.
static void try_decode(png_structp png, png_infop info, size_t count, uint32_t width, uint32_t height,
                       uint8_t *pixels) {
  if (setjmp(png_jmpbuf(png)) != 0) return;
  restrict_memory(png, count);
  decode(png, info, width, height, pixels);
}

MocoStatus moco_png_decode(const void *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *pixels,
                           MocoMessage *message) {
  Session session = {.bytes = bytes, .count = count, .message = message};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning);
  if (png == NULL) return MocoStatusOutOfMemory;
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    return MocoStatusOutOfMemory;
  }
  png_set_read_fn(png, &session, on_read);
  try_decode(png, info, count, width, height, pixels);
  png_destroy_read_struct(&png, &info, NULL);
  return session.status;
}

static void on_write(png_structp png, png_bytep bytes, size_t count) {
  Session *session = png_get_io_ptr(png);
  MocoBuffer *out = &session->written;
  if (session->capacity - out->count < count) {
    const size_t capacity = session->capacity * 2 + count;
    uint8_t *grown = realloc(out->bytes, capacity);
    if (grown == NULL) leave(png, MocoStatusOutOfMemory, "out of memory");
    out->bytes = grown;
    session->capacity = capacity;
  }
  memcpy(out->bytes + out->count, bytes, count);
  out->count += count;
}

static void on_flush(png_structp png) { (void)png; }

static void try_encode(png_structp png, png_infop info, const uint8_t *pixels, uint32_t width,
                       uint32_t height) {
  if (setjmp(png_jmpbuf(png)) != 0) return;
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (uint32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)width * 3 * y);
  png_write_end(png, info);
}

MocoStatus moco_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, MocoBuffer *out,
                           MocoMessage *message) {
  Session session = {.message = message};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning);
  if (png == NULL) return MocoStatusOutOfMemory;
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_write_struct(&png, NULL);
    return MocoStatusOutOfMemory;
  }
  png_set_write_fn(png, &session, on_write, on_flush);
  try_encode(png, info, pixels, width, height);
  png_destroy_write_struct(&png, &info);
  if (session.status == MocoStatusOk) {
    *out = session.written;
  } else {
    free(session.written.bytes);
  }
  return session.status;
}
