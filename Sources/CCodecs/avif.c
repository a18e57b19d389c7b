#include <avif/avif.h>
#include <stdlib.h>

#include "shared.h"

// `decoder` may be NULL.
static cc_status status_of(avifResult result, const avifDecoder *decoder, cc_message *message) {
  const char *text = avifResultToString(result);
  if (decoder != NULL && decoder->diag.error[0] != 0) text = decoder->diag.error;
  switch (result) {
    case AVIF_RESULT_OK: return CC_OK;
    case AVIF_RESULT_TRUNCATED_DATA:
    case AVIF_RESULT_WAITING_ON_IO: return cc_fail(message, CC_TRUNCATED, "the file ends too early");
    case AVIF_RESULT_OUT_OF_MEMORY: return CC_OUT_OF_MEMORY;
    case AVIF_RESULT_NOT_IMPLEMENTED:
    case AVIF_RESULT_UNSUPPORTED_DEPTH:
    case AVIF_RESULT_NO_CODEC_AVAILABLE: return cc_fail(message, CC_UNSUPPORTED, text);
    // libavif's words for boxes that go beyond the end.
    default: return cc_fail(message, strstr(text, "runcated data?") ? CC_TRUNCATED : CC_CORRUPT, text);
  }
}

// A decoder that has read the container. Free it in any case.
static cc_status open_file(const void *bytes, size_t count, uint32_t most_pixels, avifDecoder **out,
                           cc_message *message) {
  avifDecoder *decoder = avifDecoderCreate();
  *out = decoder;
  if (decoder == NULL) return CC_OUT_OF_MEMORY;
  decoder->maxThreads = 1;
  decoder->ignoreExif = AVIF_TRUE;
  decoder->ignoreXMP = AVIF_TRUE;
  decoder->imageSizeLimit = most_pixels;
  decoder->imageDimensionLimit = 0;
  decoder->imageCountLimit = 1 << 16;
  // Older programs leave out what only these demand, and browsers and Pillow read their files.
  decoder->strictFlags = AVIF_STRICT_DISABLED;
  avifResult result = avifDecoderSetIOMemory(decoder, bytes, count);
  if (result == AVIF_RESULT_OK) result = avifDecoderParse(decoder);
  return status_of(result, decoder, message);
}

// The most that libavif allows: sides are compared with the caller's limit before any pixel is decoded.
static const uint32_t any_size = AVIF_DEFAULT_IMAGE_SIZE_LIMIT;

cc_status cc_avif_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                       cc_message *message) {
  avifDecoder *decoder;
  const cc_status status = open_file(bytes, count, any_size, &decoder, message);
  if (status == CC_OK) {
    *width = decoder->image->width;
    *height = decoder->image->height;
  }
  if (decoder != NULL) avifDecoderDestroy(decoder);
  return status;
}

// First the quarter turns to the left, then the mirroring.
static int orientation_of(const avifImage *image) {
  static const int turned[4] = {1, 8, 3, 6};
  static const int top_to_bottom[4] = {4, 5, 2, 7}, left_to_right[4] = {2, 7, 4, 5};
  const int angle = image->transformFlags & AVIF_TRANSFORM_IROT ? image->irot.angle & 3 : 0;
  if ((image->transformFlags & AVIF_TRANSFORM_IMIR) == 0) return turned[angle];
#if AVIF_VERSION >= 1000000
  return image->imir.axis == 0 ? top_to_bottom[angle] : left_to_right[angle];
#else
  return image->imir.mode == 0 ? top_to_bottom[angle] : left_to_right[angle];
#endif
}

int cc_avif_orientation(const void *bytes, size_t count) {
  avifDecoder *decoder;
  cc_message message;
  const cc_status status = open_file(bytes, count, any_size, &decoder, &message);
  const int orientation = status == CC_OK ? orientation_of(decoder->image) : 1;
  if (decoder != NULL) avifDecoderDestroy(decoder);
  return orientation;
}

// The planes, twice, because the codec keeps a picture to refer to, and the RGB canvas of a part.
static uint64_t own_bytes(const avifDecoder *decoder, const cc_decode *decode) {
  const uint64_t planes = decoder->alphaPresent ? 4 : 3;
  const uint64_t bytes = decoder->image->depth > 8 ? 2 : 1;
  return cc_pixel_count(decode) * (2 * planes * bytes + (cc_is_whole(decode) ? 0 : 3));
}

static cc_status put_pixels(const avifImage *image, uint8_t *pixels, cc_message *message) {
  // libavif would multiply the colours by an alpha that it is to ignore.
  avifImage opaque = *image;
  opaque.alphaPlane = NULL;
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, &opaque);
  rgb.depth = 8;
  rgb.format = AVIF_RGB_FORMAT_RGB;
  rgb.pixels = pixels;
  rgb.rowBytes = image->width * 3;
  return status_of(avifImageYUVToRGB(&opaque, &rgb), NULL, message);
}

static cc_status decode_frame(avifDecoder *decoder, cc_decode *decode) {
  const avifImage *image = decoder->image;
  cc_status status = cc_same_size(decode, image->width, image->height);
  if (status != CC_OK) return status;
  if (decode->width > INT32_MAX / 3) return cc_fail(&decode->message, CC_UNSUPPORTED, "it is too wide");
  if (!cc_may_take(decode, own_bytes(decoder, decode))) return CC_OVER_MEMORY;
  status = status_of(avifDecoderNextImage(decoder), decoder, &decode->message);
  if (status == CC_OK) status = cc_same_size(decode, image->width, image->height);
  if (status != CC_OK) return status;
  decode->begun = 1;
  if (cc_is_whole(decode)) return put_pixels(image, decode->pixels, &decode->message);
  const size_t stride = (size_t)decode->width * 3;
  uint8_t *canvas = malloc(stride * decode->height);
  if (canvas == NULL) return CC_OUT_OF_MEMORY;
  status = put_pixels(image, canvas, &decode->message);
  for (uint32_t y = 0; status == CC_OK && y < decode->height; y++) {
    cc_take_row(decode, y, canvas + stride * y);
  }
  free(canvas);
  return status;
}

cc_status cc_avif_decode(cc_decode *decode) {
  if (!cc_may_take(decode, 0)) return CC_OVER_MEMORY;
  const uint64_t pixels = cc_pixel_count(decode);
  avifDecoder *decoder;
  cc_status status = open_file(decode->bytes, decode->count, pixels < any_size ? (uint32_t)pixels : any_size,
                               &decoder, &decode->message);
  if (status == CC_OK) status = decode_frame(decoder, decode);
  if (decoder != NULL) avifDecoderDestroy(decoder);
  return status;
}
