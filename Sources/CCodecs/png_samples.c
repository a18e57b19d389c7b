#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "png_samples.h"
#include "shared.h"

// A PNG's samples as they are stored: gray, places in a palette, or colours. libpng leaves its own frames by
// longjmp into the function here that called it.
typedef struct Reading {
  cc_samples *wanted;
  size_t at;
  cc_status status;
} Reading;

static void on_error(png_structp png, png_const_charp text) {
  Reading *reading = png_get_error_ptr(png);
  if (reading->status == CC_OK) reading->status = CC_CORRUPT;
  cc_fail(&reading->wanted->message, reading->status, text);
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
  const cc_samples *wanted = reading->wanted;
  if (count > wanted->count - reading->at) leave(png, CC_TRUNCATED, "the file ends too early");
  memcpy(out, (const uint8_t *)wanted->bytes + reading->at, count);
  reading->at += count;
}

// The bytes of a pixel, for which the rows are set up; 0 for kinds without one.
static size_t set_transformations(png_structp png, png_infop info) {
  const int colour = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  if (colour == PNG_COLOR_TYPE_GRAY || colour == PNG_COLOR_TYPE_PALETTE) {
    if (depth < 8) png_set_packing(png);
    return depth == 16 ? 2 : 1;
  }
  if ((colour & PNG_COLOR_MASK_COLOR) == 0 || depth != 8) return 0;
  png_set_strip_alpha(png);
  return 3;
}

static void take_palette(png_structp png, png_infop info, cc_samples *wanted) {
  png_colorp colours = NULL;
  int count = 0;
  if (png_get_PLTE(png, info, &colours, &count) == 0 || colours == NULL) return;
  for (int i = 0; i < count && i < 256; i++) {
    const uint8_t levels[3] = {colours[i].red, colours[i].green, colours[i].blue};
    memcpy(wanted->palette + 3 * i, levels, 3);
  }
  wanted->palette_count = count < 256 ? count : 256;
}

static void read_rows(png_structp png, png_infop info, Reading *reading) {
  if (setjmp(png_jmpbuf(png)) != 0) return;
  cc_samples *wanted = reading->wanted;
  png_set_user_limits(png, 1000000, 1000000);
  png_set_chunk_malloc_max(png, wanted->count > 8000000 ? wanted->count : 8000000);
  png_set_chunk_cache_max(png, 128);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_read_fn(png, reading, on_read);
  png_read_info(png, info);
  const int passes = png_set_interlace_handling(png);
  const uint64_t packed = (uint64_t)png_get_rowbytes(png, info) * wanted->height;
  if (packed * (passes > 1 ? 4 : 2) > wanted->max_work) leave(png, CC_OVER_WORK, "");
  const size_t sample = set_transformations(png, info);
  png_read_update_info(png, info);
  const size_t stride = png_get_rowbytes(png, info);
  if (png_get_image_width(png, info) != wanted->width || png_get_image_height(png, info) != wanted->height ||
      sample != wanted->sample || stride != wanted->width * wanted->sample) {
    leave(png, CC_CORRUPT, "its header changes on the second look");
  }
  take_palette(png, info, wanted);
  for (int pass = 0; pass < passes; pass++) {
    for (uint32_t y = 0; y < wanted->height; y++) {
      png_read_row(png, wanted->samples + stride * y, NULL);
    }
  }
}

// Behind the size of the header: depth and kind of colour.
cc_status cc_png_sample(const void *bytes, size_t count, size_t *sample, int *is_palette,
                        cc_message *message) {
  const uint8_t *b = bytes;
  if (count < 26) return cc_fail(message, CC_TRUNCATED, "the file ends too early");
  const int depth = b[24], colour = b[25];
  *is_palette = colour == PNG_COLOR_TYPE_PALETTE;
  if (colour == PNG_COLOR_TYPE_GRAY || colour == PNG_COLOR_TYPE_PALETTE) {
    *sample = depth == 16 ? 2 : 1;
  } else {
    *sample = (colour & PNG_COLOR_MASK_COLOR) != 0 && depth == 8 ? 3 : 0;
  }
  return CC_OK;
}

cc_status cc_png_samples(cc_samples *wanted) {
  if (cc_png_samples_at_once(wanted)) return CC_OK;
  Reading reading = {.wanted = wanted};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading, on_error, on_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    return cc_fail(&wanted->message, CC_OUT_OF_MEMORY, "out of memory");
  }
  read_rows(png, info, &reading);
  png_destroy_read_struct(&png, &info, NULL);
  return reading.status;
}
