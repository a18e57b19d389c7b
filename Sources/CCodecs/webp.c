#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "shared.h"

static cc_status status_of(VP8StatusCode code, cc_message *message) {
  switch (code) {
    case VP8_STATUS_OK: return CC_OK;
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return cc_fail(message, CC_TRUNCATED, "the file ends too early");
    case VP8_STATUS_OUT_OF_MEMORY: return CC_OUT_OF_MEMORY;
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return cc_fail(message, CC_UNSUPPORTED, "it uses a feature that libwebp does not know");
    default: return cc_fail(message, CC_CORRUPT, "its bitstream is not valid");
  }
}

cc_status cc_webp_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                       cc_message *message) {
  WebPBitstreamFeatures features;
  cc_status status = status_of(WebPGetFeatures(bytes, count, &features), message);
  if (status != CC_OK) return status;
  *width = (uint32_t)features.width;
  *height = (uint32_t)features.height;
  return CC_OK;
}

// The first frame lies somewhere on the canvas; what it leaves free is black, as after Pillow's drop of
// alpha.
static cc_status decode_frame(const WebPIterator *frame, uint32_t width, uint32_t height, uint8_t *pixels,
                              cc_message *message) {
  const size_t stride = (size_t)width * 3;
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    return cc_fail(message, CC_UNSUPPORTED, "libwebp is older than its headers");
  }
  cc_status status =
      status_of(WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &config.input), message);
  if (status != CC_OK) return status;
  if (config.input.width != frame->width || config.input.height != frame->height || frame->x_offset < 0 ||
      frame->y_offset < 0 || (uint32_t)frame->x_offset + (uint32_t)frame->width > width ||
      (uint32_t)frame->y_offset + (uint32_t)frame->height > height) {
    return cc_fail(message, CC_CORRUPT, "its first frame does not fit its canvas");
  }
  if ((uint32_t)frame->width != width || (uint32_t)frame->height != height) {
    memset(pixels, 0, stride * height);
  }
  const size_t offset = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels + offset;
  config.output.u.RGBA.stride = (int)stride;
  config.output.u.RGBA.size = stride * height - offset;
  status = status_of(WebPDecode(frame->fragment.bytes, frame->fragment.size, &config), message);
  WebPFreeDecBuffer(&config.output);
  return status;
}

static cc_status decode_first_frame(WebPDemuxer *demuxer, cc_decode *decode, uint8_t *canvas) {
  WebPIterator frame;
  if (WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH) != decode->width ||
      WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT) != decode->height) {
    return cc_fail(&decode->message, CC_CORRUPT, "its canvas changes on the second look");
  }
  if (!WebPDemuxGetFrame(demuxer, 1, &frame)) {
    return cc_fail(&decode->message, CC_CORRUPT, "it holds no frame");
  }
  cc_status status = decode_frame(&frame, decode->width, decode->height, canvas, &decode->message);
  WebPDemuxReleaseIterator(&frame);
  return status;
}

// Always the whole picture: libwebp's own cropping upsamples the colours at its edges in another way.
static cc_status decode_region(WebPDemuxer *demuxer, cc_decode *decode) {
  // Lossless pictures and alpha go through four bytes a pixel, and a part of the picture through a canvas.
  if (!cc_may_take(decode, cc_pixel_count(decode) * (4 + 3))) return CC_OVER_MEMORY;
  if (cc_is_whole(decode)) return decode_first_frame(demuxer, decode, decode->pixels);
  const size_t stride = (size_t)decode->width * 3;
  uint8_t *canvas = malloc(stride * decode->height);
  if (canvas == NULL) return CC_OUT_OF_MEMORY;
  cc_status status = decode_first_frame(demuxer, decode, canvas);
  if (status == CC_OK) {
    for (uint32_t y = 0; y < decode->height; y++) cc_take_row(decode, y, canvas + stride * y);
  }
  free(canvas);
  return status;
}

cc_status cc_webp_decode(cc_decode *decode) {
  const WebPData data = {decode->bytes, decode->count};
  WebPDemuxState state;
  WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state);
  cc_status status;
  if (state == WEBP_DEMUX_PARSE_ERROR) {
    status = cc_fail(&decode->message, CC_CORRUPT, "its chunks are not valid");
  } else if (demuxer == NULL || state != WEBP_DEMUX_DONE) {
    status = cc_fail(&decode->message, CC_TRUNCATED, "the file ends too early");
  } else {
    status = decode_region(demuxer, decode);
  }
  WebPDemuxDelete(demuxer);
  return status;
}
