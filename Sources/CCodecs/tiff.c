#include "tiff.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <tiffio.h>

// One file. libtiff reads it through the functions below and sees the bytes as a mapped file.
typedef struct Session {
  cc_decode *decode;
  uint64_t at;
  TIFF *tiff;
  tiff_format format;
  uint16_t compression;
  int is_tiled, planes;
  // A piece is a strip or a tile; a plane has across * down of them.
  uint32_t piece_width, piece_height, across, down;
  uint64_t row_bytes, piece_bytes;  // of a piece before compression
  uint8_t *piece;                   // room for one
  uint8_t *scratch;                 // room for a row's samples
} Session;

// MARK: - The file

static tmsize_t on_read(thandle_t handle, void *out, tmsize_t count) {
  Session *session = handle;
  if (session->at > session->decode->count || count < 0) return 0;
  const uint64_t left = session->decode->count - session->at;
  const uint64_t step = (uint64_t)count < left ? (uint64_t)count : left;
  memcpy(out, (const uint8_t *)session->decode->bytes + session->at, step);
  session->at += step;
  return (tmsize_t)step;
}

static tmsize_t on_write(thandle_t handle, void *bytes, tmsize_t count) {
  (void)handle, (void)bytes, (void)count;
  return 0;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int from) {
  Session *session = handle;
  const uint64_t base = from == SEEK_CUR ? session->at : from == SEEK_END ? session->decode->count : 0;
  session->at = base + offset;
  return session->at;
}

static int on_close(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t on_size(thandle_t handle) { return ((Session *)handle)->decode->count; }

static int on_map(thandle_t handle, void **bytes, toff_t *count) {
  Session *session = handle;
  *bytes = (void *)(uintptr_t)session->decode->bytes;
  *count = session->decode->count;
  return 1;
}

static void on_unmap(thandle_t handle, void *bytes, toff_t count) { (void)handle, (void)bytes, (void)count; }

// MARK: - Opening

// Per file since libtiff 4.5; before that there is one handler for the whole process, which stays silent.
#if TIFFLIB_VERSION >= 20221213
static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list values) {
  (void)tiff, (void)module;
  cc_message *message = user;
  if (message->text[0] == 0) vsnprintf(message->text, sizeof message->text, format, values);
  return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list values) {
  (void)tiff, (void)user, (void)module, (void)format, (void)values;
  return 1;
}

static TIFF *open_file(Session *session) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (options == NULL) return NULL;
  const uint64_t most = session->decode->max_bytes;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, most < PTRDIFF_MAX ? (tmsize_t)most : PTRDIFF_MAX);
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &session->decode->message);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, NULL);
  TIFF *tiff = TIFFClientOpenExt("", "r", session, on_read, on_write, on_seek, on_close, on_size, on_map,
                                 on_unmap, options);
  TIFFOpenOptionsFree(options);
  return tiff;
}
#else
static void silence(void) {
  TIFFSetErrorHandler(NULL);
  TIFFSetWarningHandler(NULL);
}

static TIFF *open_file(Session *session) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, silence);
  return TIFFClientOpen("", "r", session, on_read, on_write, on_seek, on_close, on_size, on_map, on_unmap);
}
#endif

static cc_status fail(Session *session, cc_status status, const char *text) {
  return cc_fail(&session->decode->message, status, text);
}

static cc_status corrupt(Session *session) {
  cc_message *message = &session->decode->message;
  return message->text[0] != 0 ? CC_CORRUPT : cc_fail(message, CC_CORRUPT, "libtiff cannot read it");
}

// MARK: - The kind of picture

static uint16_t field(TIFF *tiff, uint32_t tag) {
  uint16_t value = 0;
  TIFFGetFieldDefaulted(tiff, tag, &value);
  return value;
}

static int is_decoded(uint16_t compression) {
  switch (compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
    case COMPRESSION_CCITTRLEW:
    case COMPRESSION_LZW:
    case COMPRESSION_JPEG:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_PACKBITS:
    case COMPRESSION_ZSTD: return TIFFIsCODECConfigured(compression);
    default: return 0;
  }
}

// Whether the fourth sample of RGB is an alpha that the colours are multiplied by.
static int is_premultiplied(TIFF *tiff) {
  uint16_t count = 0, *kinds = NULL;
  return TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) && count == 1 &&
         kinds[0] == EXTRASAMPLE_ASSOCALPHA;
}

static cc_status read_palette(Session *session) {
  tiff_format *format = &session->format;
  uint16_t *red, *green, *blue;
  if (!TIFFGetField(session->tiff, TIFFTAG_COLORMAP, &red, &green, &blue)) {
    return fail(session, CC_CORRUPT, "it has no palette");
  }
  // Entries have 16 bits; some programs write 8.
  const int colours = 1 << format->bits;
  int shift = 0;
  for (int i = 0; i < colours; i++) {
    if (red[i] > 255 || green[i] > 255 || blue[i] > 255) shift = 8;
  }
  for (int i = 0; i < colours; i++) {
    format->palette[i][0] = (uint8_t)(red[i] >> shift);
    format->palette[i][1] = (uint8_t)(green[i] >> shift);
    format->palette[i][2] = (uint8_t)(blue[i] >> shift);
  }
  return CC_OK;
}

static cc_status read_colour(Session *session, uint16_t photometric, uint16_t samples) {
  tiff_format *format = &session->format;
  if (samples < 1 || samples > 4) {
    char text[80];
    snprintf(text, sizeof text, "it has %u bands, and 1, 3 or 4 are read", samples);
    return fail(session, CC_UNSUPPORTED, text);
  }
  switch (photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      // Two samples are gray and alpha; three or four are bands that nobody named, taken as RGB.
      format->colour = samples >= 3                            ? tiff_rgb
                       : photometric == PHOTOMETRIC_MINISWHITE ? tiff_inverted_gray
                                                               : tiff_gray;
      if (samples >= 3 && photometric == PHOTOMETRIC_MINISWHITE) break;
      return CC_OK;
    case PHOTOMETRIC_PALETTE:
      if (format->bits > 8 || samples > 2) break;
      format->colour = tiff_palette;
      return read_palette(session);
    case PHOTOMETRIC_YCBCR:
      if (session->compression != COMPRESSION_JPEG || samples != 3 || session->planes > 1) break;
      // libtiff leaves the conversion to libjpeg.
      TIFFSetField(session->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      format->colour = tiff_rgb;
      return CC_OK;
    case PHOTOMETRIC_RGB:
      if (samples < 3) break;
      format->colour = samples == 4 && is_premultiplied(session->tiff) ? tiff_premultiplied : tiff_rgb;
      return CC_OK;
    case PHOTOMETRIC_SEPARATED:
      if (samples != 4) break;
      format->colour = tiff_inks;
      return CC_OK;
    default: break;
  }
  char text[80];
  snprintf(text, sizeof text, "colours of kind %u with %u samples a pixel", photometric, samples);
  return fail(session, CC_UNSUPPORTED, text);
}

static cc_status read_samples(Session *session, uint16_t sample_format) {
  tiff_format *format = &session->format;
  const int bits = format->bits;
  const int is_whole = sample_format == SAMPLEFORMAT_UINT || sample_format == SAMPLEFORMAT_VOID;
  if (is_whole && ((bits >= 1 && bits <= 16 && bits != 3 && bits != 5 && bits != 6 && bits != 7))) {
    format->kind = tiff_packed;
  } else if (sample_format == SAMPLEFORMAT_INT && bits == 8) {
    format->kind = tiff_packed;  // Pillow takes them as unsigned
  } else if (sample_format == SAMPLEFORMAT_INT && bits == 16) {
    format->kind = tiff_signed16;
  } else if (is_whole && bits == 32) {
    format->kind = tiff_unsigned32;
  } else if (sample_format == SAMPLEFORMAT_INT && bits == 32) {
    format->kind = tiff_signed32;
  } else if (sample_format == SAMPLEFORMAT_IEEEFP && bits == 32) {
    format->kind = tiff_float32;
  } else if (sample_format == SAMPLEFORMAT_IEEEFP && bits == 64) {
    format->kind = tiff_float64;
  } else {
    char text[80];
    snprintf(text, sizeof text, "samples of %d bits and kind %u", bits, sample_format);
    return fail(session, CC_UNSUPPORTED, text);
  }
  return CC_OK;
}

// Reads the range of samples of more than 8 bits: the one that the file declares, or all of its bits.
static cc_status read_range(Session *session) {
  tiff_format *format = &session->format;
  cc_decode *decode = session->decode;
  format->is_deep = format->bits > 8;
  if (!format->is_deep) return CC_OK;
  double low = 0, high = format->kind == tiff_packed ? (1u << format->bits) - 1 : 0;
  double least, most;
  if (TIFFGetField(session->tiff, TIFFTAG_SMINSAMPLEVALUE, &least) &&
      TIFFGetField(session->tiff, TIFFTAG_SMAXSAMPLEVALUE, &most) && isfinite(least) && isfinite(most) &&
      least < most) {
    low = least;
    high = most;
  }
  if (low == high && decode->depth.kind != CC_DEPTH_RANGE) {
    const int is_float = format->kind == tiff_float32 || format->kind == tiff_float64;
    char text[100];
    snprintf(text, sizeof text, "%d-bit %s samples need --depth window:LO,HI", format->bits,
             is_float                          ? "float"
             : format->kind == tiff_unsigned32 ? "unsigned"
                                               : "signed");
    return fail(session, CC_UNSUPPORTED, text);
  }
  const int is_gray = format->colour == tiff_gray || format->colour == tiff_inverted_gray;
  format->levels = cc_levels_of(decode, low, high, is_gray, format->kind == tiff_packed);
  return CC_OK;
}

// MARK: - Pieces

static cc_status read_pieces(Session *session) {
  TIFF *tiff = session->tiff;
  const cc_decode *decode = session->decode;
  session->is_tiled = TIFFIsTiled(tiff);
  uint32_t width = decode->width, height = 0;
  TIFFGetFieldDefaulted(tiff, session->is_tiled ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, &height);
  if (session->is_tiled) TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &width);
  if (!session->is_tiled && height > decode->height) height = decode->height;
  if (width == 0 || height == 0) return fail(session, CC_CORRUPT, "its strips or tiles are empty");
  session->piece_width = width;
  session->piece_height = height;
  session->across = (decode->width - 1) / width + 1;
  session->down = (decode->height - 1) / height + 1;
  // All factors are below 2^32, 2^2 and 2^6.
  const uint64_t bits = (uint64_t)width * (uint64_t)(session->format.samples * session->format.bits);
  session->row_bytes = (bits + 7) / 8;
  if (session->row_bytes > UINT64_MAX / height) return CC_OVER_MEMORY;
  session->piece_bytes = session->row_bytes * height;
  const uint64_t expected = session->is_tiled ? TIFFTileSize64(tiff) : TIFFVStripSize64(tiff, height);
  if (expected != session->piece_bytes) return fail(session, CC_UNSUPPORTED, "its colours are subsampled");
  return CC_OK;
}

static cc_status read_header(Session *session) {
  TIFF *tiff = session->tiff;
  cc_decode *decode = session->decode;
  uint32_t width = 0, height = 0;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
  cc_status status = cc_same_size(decode, width, height);
  if (status != CC_OK) return status;
  session->compression = field(tiff, TIFFTAG_COMPRESSION);
  if (!is_decoded(session->compression)) {
    char text[60];
    snprintf(text, sizeof text, "compression %u", session->compression);
    return fail(session, CC_UNSUPPORTED, text);
  }
  const uint16_t samples = field(tiff, TIFFTAG_SAMPLESPERPIXEL);
  session->format.bits = field(tiff, TIFFTAG_BITSPERSAMPLE);
  session->planes = field(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE && samples > 1 ? samples : 1;
  session->format.samples = session->planes > 1 ? 1 : samples;
  uint16_t photometric = PHOTOMETRIC_MINISWHITE;
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
  if ((status = read_samples(session, field(tiff, TIFFTAG_SAMPLEFORMAT))) != CC_OK) return status;
  if ((status = read_colour(session, photometric, samples)) != CC_OK) return status;
  if (session->planes > 1 && session->format.colour != tiff_rgb) {
    return fail(session, CC_UNSUPPORTED, "planes of other colours than RGB");
  }
  if ((status = read_range(session)) != CC_OK) return status;
  return read_pieces(session);
}

// Counts work and memory before any is spent.
static cc_status reserve(Session *session) {
  cc_decode *decode = session->decode;
  const int is_mirrored = field(session->tiff, TIFFTAG_FILLORDER) == FILLORDER_LSB2MSB;
  const int is_plain = session->compression == COMPRESSION_NONE && !is_mirrored;
  const uint64_t planes = session->planes > 1 ? 3 : 1;
  const uint64_t pieces = planes * session->across * session->down;
  if (!is_plain && session->piece_bytes > decode->max_work / 2 / pieces) return CC_OVER_WORK;
  // libjpeg may keep a piece's coefficients; libzstd a window.
  uint64_t own = is_plain ? 0 : session->piece_bytes;
  if (is_mirrored) own += session->piece_bytes;  // libtiff turns the bits in a copy
  if (session->compression == COMPRESSION_JPEG) own += 2 * session->piece_bytes;
  if (session->compression == COMPRESSION_ZSTD) own += (uint64_t)128 << 20;
  const uint64_t samples = (uint64_t)session->piece_width * (uint64_t)session->format.samples;
  if (!cc_may_take(decode, own + samples)) return CC_OVER_MEMORY;
  session->scratch = malloc(samples);
  return session->scratch == NULL ? CC_OUT_OF_MEMORY : CC_OK;
}

// The bytes of a piece before compression, at least `rows` rows of them; those that are not packed are taken
// from the file itself.
static cc_status read_piece(Session *session, uint32_t index, uint32_t rows, const uint8_t **bytes) {
  TIFF *tiff = session->tiff;
  const uint64_t wanted = session->row_bytes * rows, all = session->decode->count;
  const uint64_t offset = TIFFGetStrileOffset(tiff, index), count = TIFFGetStrileByteCount(tiff, index);
  if (offset == 0) return fail(session, CC_CORRUPT, "a strip or tile is missing");
  const int is_mirrored = field(tiff, TIFFTAG_FILLORDER) == FILLORDER_LSB2MSB;
  const int is_plain = session->compression == COMPRESSION_NONE && !is_mirrored;
  // Where pixels are not packed, their number says more than a count that may be wrong.
  if (offset > all || (is_plain ? wanted : count) > all - offset) {
    return fail(session, CC_TRUNCATED, "the file ends too early");
  }
  if (is_plain) {
    session->format.big_endian = TIFFIsBigEndian(tiff);
    *bytes = (const uint8_t *)session->decode->bytes + offset;
    return CC_OK;
  }
  if (session->piece == NULL) {
    // Zeros, because libtiff accepts pieces that fill less than their room.
    if ((session->piece = calloc(session->piece_bytes, 1)) == NULL) return CC_OUT_OF_MEMORY;
  }
  const tmsize_t room = (tmsize_t)(session->is_tiled ? session->piece_bytes : wanted);
  const tmsize_t got = session->is_tiled ? TIFFReadEncodedTile(tiff, index, session->piece, room)
                                         : TIFFReadEncodedStrip(tiff, index, session->piece, room);
  if (got < room) return corrupt(session);
  const uint16_t one = 1;
  session->format.big_endian = *(const uint8_t *)&one == 0;  // libtiff gives the machine's order
  *bytes = session->piece;
  return CC_OK;
}

// Takes the region's part of a piece.
static void put_piece(Session *session, const uint8_t *bytes, uint32_t left, uint32_t top, uint32_t rows,
                      uint32_t plane) {
  cc_decode *decode = session->decode;
  const cc_region *region = &decode->region;
  const uint64_t right = (uint64_t)left + session->piece_width;
  const uint32_t begin = left > region->left ? left : region->left;
  const uint64_t region_end = (uint64_t)region->left + region->width;
  const uint32_t end = (uint32_t)(right < region_end ? right : region_end);
  if (begin >= end) return;
  for (uint32_t y = 0; y < rows; y++) {
    uint8_t *target = cc_target_row(decode, top + y);
    if (target == NULL) continue;
    target += (size_t)(begin - region->left) * 3;
    const uint8_t *row = bytes + session->row_bytes * y;
    if (session->planes > 1) {
      tiff_put_plane(&session->format, decode, row, begin - left, end - begin, session->scratch,
                     target + plane);
    } else {
      tiff_put_row(&session->format, decode, row, begin - left, end - begin, session->scratch, target);
    }
  }
}

static cc_status decode_pieces(Session *session) {
  const cc_decode *decode = session->decode;
  const uint32_t planes = session->planes > 1 ? 3 : 1;
  uint32_t index = 0;
  for (uint32_t plane = 0; plane < planes; plane++) {
    for (uint32_t row = 0; row < session->down; row++) {
      const uint32_t top = row * session->piece_height, left_rows = decode->height - top;
      const uint32_t rows = left_rows < session->piece_height ? left_rows : session->piece_height;
      for (uint32_t column = 0; column < session->across; column++, index++) {
        const uint8_t *bytes = NULL;
        const cc_status status = read_piece(session, index, rows, &bytes);
        if (status != CC_OK) return status;
        put_piece(session, bytes, column * session->piece_width, top, rows, plane);
      }
    }
  }
  return CC_OK;
}

static cc_status decode_first_page(Session *session) {
  cc_status status = read_header(session);
  if (status == CC_OK) status = reserve(session);
  if (status != CC_OK) return status;
  session->decode->begun = 1;
  return decode_pieces(session);
}

cc_status cc_tiff_decode(cc_decode *decode) {
  Session session = {.decode = decode};
  if (!cc_may_take(decode, 0)) return CC_OVER_MEMORY;
  session.tiff = open_file(&session);
  if (session.tiff == NULL) return corrupt(&session);
  const cc_status status = decode_first_page(&session);
  TIFFClose(session.tiff);
  free(session.piece);
  free(session.scratch);
  return status;
}
