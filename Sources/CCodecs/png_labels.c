#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

// Numbers of pixels from a PNG: grey samples or indices into a palette as they are. libpng leaves its own
// frames by longjmp into the function here that called it.
typedef struct Reading {
  const uint8_t *bytes;
  size_t count, at;
  cc_status status;
  cc_message *message;
  uint32_t width, height;
  uint8_t *rows;  // the whole picture in libpng's rows
  png_bytep *row_pointers;
} Reading;

static void on_error(png_structp png, png_const_charp text) {
  Reading *reading = png_get_error_ptr(png);
  if (reading->status == CC_OK) reading->status = CC_CORRUPT;
  cc_fail(reading->message, reading->status, text);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void leave(png_structp png, cc_status status, const char *text) {
  Reading *reading = png_get_error_ptr(png);
  reading->status = status;
  png_error(png, text);
}

static void on_read(png_structp png, png_bytep out, size_t count) {
  Reading *reading = png_get_io_ptr(png);
  if (count > reading->count - reading->at) leave(png, CC_TRUNCATED, "the file ends too early");
  memcpy(out, reading->bytes + reading->at, count);
  reading->at += count;
}

static void read_rows(png_structp png, png_infop info, Reading *reading) {
  if (setjmp(png_jmpbuf(png)) != 0) return;
  png_set_user_limits(png, 1000000, 1000000);
  png_set_chunk_malloc_max(png, reading->count > 8000000 ? reading->count : 8000000);
  png_set_chunk_cache_max(png, 128);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_read_fn(png, reading, on_read);
  png_read_info(png, info);
  const int colour = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  if (colour != PNG_COLOR_TYPE_GRAY && colour != PNG_COLOR_TYPE_PALETTE) {
    leave(png, CC_UNSUPPORTED, "it has colours, and not a number for each pixel");
  }
  if (depth < 8) png_set_packing(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const size_t stride = png_get_rowbytes(png, info);
  if (png_get_image_width(png, info) != reading->width ||
      png_get_image_height(png, info) != reading->height ||
      stride != (size_t)reading->width * (depth == 16 ? 2 : 1)) {
    leave(png, CC_CORRUPT, "its header changes on the second look");
  }
  reading->rows = malloc(stride * reading->height);
  reading->row_pointers = malloc(sizeof(png_bytep) * reading->height);
  if (reading->rows == NULL || reading->row_pointers == NULL) leave(png, CC_OUT_OF_MEMORY, "out of memory");
  for (uint32_t y = 0; y < reading->height; y++) reading->row_pointers[y] = reading->rows + stride * y;
  png_read_image(png, reading->row_pointers);
}

cc_status cc_png_labels(const void *bytes, size_t count, uint32_t width, uint32_t height, uint16_t *labels,
                        cc_message *message) {
  Reading reading = {.bytes = bytes, .count = count, .message = message, .width = width, .height = height};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading, on_error, on_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    return cc_fail(message, CC_OUT_OF_MEMORY, "out of memory");
  }
  read_rows(png, info, &reading);
  if (reading.status == CC_OK) {
    const size_t pixels = (size_t)width * height;
    const uint8_t *rows = reading.rows;
    const int wide = png_get_bit_depth(png, info) == 16;
    for (size_t i = 0; i < pixels; i++) {
      labels[i] = wide ? (uint16_t)(rows[2 * i] << 8 | rows[2 * i + 1]) : rows[i];
    }
  }
  free(reading.rows);
  free(reading.row_pointers);
  png_destroy_read_struct(&png, &info, NULL);
  return reading.status;
}
