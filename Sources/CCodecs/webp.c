#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "shared.h"

static MocoStatus status_of(VP8StatusCode code, MocoMessage *message) {
  switch (code) {
    case VP8_STATUS_OK:
      return MocoStatusOk;
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return moco_fail(message, MocoStatusTruncated, "the file ends too early");
    case VP8_STATUS_OUT_OF_MEMORY:
      return MocoStatusOutOfMemory;
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return moco_fail(message, MocoStatusUnsupported, "it uses a feature that libwebp does not know");
    default:
      return moco_fail(message, MocoStatusCorrupt, "its bitstream is not valid");
  }
}

MocoStatus moco_webp_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                          MocoMessage *message) {
  WebPBitstreamFeatures features;
  MocoStatus status = status_of(WebPGetFeatures(bytes, count, &features), message);
  if (status != MocoStatusOk) return status;
  *width = (uint32_t)features.width;
  *height = (uint32_t)features.height;
  return MocoStatusOk;
}

// The first frame lies somewhere on the canvas; what it leaves free is black, as after Pillow's drop of alpha.
static MocoStatus decode_frame(const WebPIterator *frame, uint32_t width, uint32_t height, uint8_t *pixels,
                               MocoMessage *message) {
  const size_t stride = (size_t)width * 3;
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    return moco_fail(message, MocoStatusUnsupported, "libwebp is older than its headers");
  }
  MocoStatus status =
      status_of(WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &config.input), message);
  if (status != MocoStatusOk) return status;
  if (config.input.width != frame->width || config.input.height != frame->height || frame->x_offset < 0 ||
      frame->y_offset < 0 || (uint32_t)frame->x_offset + (uint32_t)frame->width > width ||
      (uint32_t)frame->y_offset + (uint32_t)frame->height > height) {
    return moco_fail(message, MocoStatusCorrupt, "its first frame does not fit its canvas");
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

static MocoStatus decode_first_frame(WebPDemuxer *demuxer, MocoDecode *decode, uint8_t *canvas) {
  WebPIterator frame;
  if (WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH) != decode->width ||
      WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT) != decode->height) {
    return moco_fail(&decode->message, MocoStatusCorrupt, "its canvas changes on the second look");
  }
  if (!WebPDemuxGetFrame(demuxer, 1, &frame)) {
    return moco_fail(&decode->message, MocoStatusCorrupt, "it holds no frame");
  }
  MocoStatus status = decode_frame(&frame, decode->width, decode->height, canvas, &decode->message);
  WebPDemuxReleaseIterator(&frame);
  return status;
}

// Always the whole picture: libwebp's own cropping upsamples the colours at its edges in another way.
static MocoStatus decode_region(WebPDemuxer *demuxer, MocoDecode *decode) {
  // Lossless pictures and alpha go through four bytes a pixel, and a part of the picture through a canvas.
  if (!moco_may_take(decode, moco_pixel_count(decode) * (4 + 3))) return MocoStatusOverMemory;
  if (moco_is_whole(decode)) return decode_first_frame(demuxer, decode, decode->pixels);
  const size_t stride = (size_t)decode->width * 3;
  uint8_t *canvas = malloc(stride * decode->height);
  if (canvas == NULL) return MocoStatusOutOfMemory;
  MocoStatus status = decode_first_frame(demuxer, decode, canvas);
  if (status == MocoStatusOk) {
    for (uint32_t y = 0; y < decode->height; y++) moco_take_row(decode, y, canvas + stride * y);
  }
  free(canvas);
  return status;
}

MocoStatus moco_webp_decode(MocoDecode *decode) {
  const WebPData data = {decode->bytes, decode->count};
  WebPDemuxState state;
  WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state);
  MocoStatus status;
  if (state == WEBP_DEMUX_PARSE_ERROR) {
    status = moco_fail(&decode->message, MocoStatusCorrupt, "its chunks are not valid");
  } else if (demuxer == NULL || state != WEBP_DEMUX_DONE) {
    status = moco_fail(&decode->message, MocoStatusTruncated, "the file ends too early");
  } else {
    status = decode_region(demuxer, decode);
  }
  WebPDemuxDelete(demuxer);
  return status;
}
