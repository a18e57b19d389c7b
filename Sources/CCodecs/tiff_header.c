#include "tiff.h"

// TIFF 6.0, section 2, and BigTIFF: byte order, 42 or 43, the offset of the first directory. There, the
// number of entries, then entries of a tag, a type, a count and a value or its offset.

typedef struct Reader {
  const uint8_t *bytes;
  uint64_t count;
  int big_endian, is_bigtiff;
} Reader;

static uint64_t number(const Reader *file, uint64_t at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) {
    value = value << 8 | file->bytes[at + (uint64_t)(file->big_endian ? i : bytes - 1 - i)];
  }
  return value;
}

// A side in an entry at `at`: SHORT, LONG or LONG8, one of it; 0 for anything else.
static uint64_t side(const Reader *file, uint64_t at) {
  const uint64_t type = number(file, at + 2, 2);
  const uint64_t count = number(file, at + 4, file->is_bigtiff ? 8 : 4);
  const uint64_t value = at + (file->is_bigtiff ? 12 : 8);
  if (count != 1) return 0;
  switch (type) {
    case 3: return number(file, value, 2);
    case 4: return number(file, value, 4);
    case 16: return file->is_bigtiff ? number(file, value, 8) : 0;
    default: return 0;
  }
}

cc_status cc_tiff_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                       cc_message *message) {
  static const char cut[] = "the file ends too early";
  Reader file = {.bytes = bytes, .count = count};
  if (count < 8) return cc_fail(message, CC_TRUNCATED, cut);
  file.big_endian = file.bytes[0] == 'M';
  file.is_bigtiff = number(&file, 2, 2) == 43;
  if (file.is_bigtiff && count < 16) return cc_fail(message, CC_TRUNCATED, cut);
  const uint64_t directory = file.is_bigtiff ? number(&file, 8, 8) : number(&file, 4, 4);
  const uint64_t head = file.is_bigtiff ? 8 : 2, entry = file.is_bigtiff ? 20 : 12;
  if (directory == 0) return cc_fail(message, CC_CORRUPT, "it has no directory");
  if (directory > count || count - directory < head) return cc_fail(message, CC_TRUNCATED, cut);
  const uint64_t entries = number(&file, directory, (int)head);
  uint64_t found[2] = {0, 0};
  for (uint64_t i = 0; i < entries; i++) {
    if ((count - directory - head) / entry <= i) return cc_fail(message, CC_TRUNCATED, cut);
    const uint64_t at = directory + head + i * entry, tag = number(&file, at, 2);
    if ((tag == 256 || tag == 257) && found[tag - 256] == 0) found[tag - 256] = side(&file, at);
  }
  if (found[0] == 0 || found[1] == 0 || found[0] > INT32_MAX || found[1] > INT32_MAX) {
    return cc_fail(message, CC_CORRUPT, "its directory gives no possible size");
  }
  *width = (uint32_t)found[0];
  *height = (uint32_t)found[1];
  return CC_OK;
}
