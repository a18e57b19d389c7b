#include <stdlib.h>

#include "shared.h"

// GIF's first frame. After the header, and perhaps a palette, come blocks: extensions (0x21), frames (0x2C)
// and the end (0x3B). The data of both lie in pieces of up to 255 bytes, each after its length.

enum { most_codes = 4096, extension = 0x21, frame_mark = 0x2C, graphic_control = 0xF9 };

typedef struct Frame {
  uint32_t left, top, width, height;
  uint32_t canvas_width, canvas_height;  // the picture's
  int is_interlaced;
  uint8_t background;       // the index of pixels outside of the frame
  uint8_t palette[256][3];  // colours that the file lacks are a ramp of grays if it has none, else black
} Frame;

static cc_status cut(cc_message *message) {
  return cc_fail(message, CC_TRUNCATED, "the file ends too early");
}

// `flags`: bit 7 says that a palette follows, the low three bits give its size.
static void read_palette(cc_input *in, uint8_t flags, Frame *frame) {
  if ((flags & 0x80) == 0) return;
  memset(frame->palette, 0, sizeof frame->palette);
  for (int i = 0; i < 2 << (flags & 7); i++) {
    for (int c = 0; c < 3; c++) frame->palette[i][c] = cc_next(in);
  }
}

static void skip_pieces(cc_input *in) {
  uint8_t length;
  while ((length = cc_next(in)) != 0) {
    in->at = in->count - in->at < length ? in->count : in->at + length;
  }
}

// Keeps the colour that a graphic control extension makes transparent: the canvas begins with it.
static void read_extension(cc_input *in, Frame *frame) {
  const uint8_t label = cc_next(in);
  const uint64_t start = in->at;
  if (label == graphic_control && cc_next(in) >= 4) {
    const uint8_t flags = cc_next(in);
    cc_little(in, 2);
    const uint8_t index = cc_next(in);
    if ((flags & 1) != 0) frame->background = index;
  }
  in->at = start;
  skip_pieces(in);
}

// Reads up to the first frame's data.
static cc_status read_header(cc_input *in, Frame *frame, cc_message *message) {
  for (int i = 0; i < 256; i++) memset(frame->palette[i], i, 3);
  in->at = 6;
  frame->canvas_width = cc_little(in, 2);
  frame->canvas_height = cc_little(in, 2);
  const uint8_t flags = cc_next(in);
  cc_little(in, 2);
  read_palette(in, flags, frame);
  uint8_t mark;
  while ((mark = cc_next(in)) != frame_mark) {
    if (in->ended) return cut(message);
    if (mark == extension) {
      read_extension(in, frame);
    } else if (mark != 0) {
      return cc_fail(message, CC_CORRUPT, "it holds no frame");
    }
  }
  frame->left = cc_little(in, 2);
  frame->top = cc_little(in, 2);
  frame->width = cc_little(in, 2);
  frame->height = cc_little(in, 2);
  const uint8_t frame_flags = cc_next(in);
  frame->is_interlaced = (frame_flags & 0x40) != 0;
  read_palette(in, frame_flags, frame);
  if (in->ended) return cut(message);
  if (frame->width == 0 || frame->height == 0)
    return cc_fail(message, CC_CORRUPT, "its first frame is empty");
  // A frame may be larger than its canvas.
  if (frame->left + frame->width > frame->canvas_width) frame->canvas_width = frame->left + frame->width;
  if (frame->top + frame->height > frame->canvas_height) frame->canvas_height = frame->top + frame->height;
  return CC_OK;
}

cc_status cc_gif_size(const void *bytes, size_t count, uint32_t *width, uint32_t *height,
                      cc_message *message) {
  cc_input in = {.bytes = bytes, .count = count};
  Frame frame = {0};
  const cc_status status = read_header(&in, &frame, message);
  *width = frame.canvas_width;
  *height = frame.canvas_height;
  return status;
}

// MARK: - Pixels

// Takes indices in the order of the file.
typedef struct Writer {
  cc_decode *decode;
  const Frame *frame;
  uint32_t x, y, pass;  // in the frame
  uint8_t *row;         // of the region, if the frame's row lies in it
  int is_full;
} Writer;

static void find_row(Writer *writer) {
  writer->row = cc_target_row(writer->decode, writer->frame->top + writer->y);
}

// Interlaced rows come in four passes: from 0 and 4 in steps of 8, from 2 in steps of 4, from 1 in steps
// of 2.
static void end_row(Writer *writer) {
  static const uint8_t starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
  const Frame *frame = writer->frame;
  writer->x = 0;
  writer->y += frame->is_interlaced ? steps[writer->pass] : 1;
  while (writer->y >= frame->height) {
    if (!frame->is_interlaced || writer->pass == 3) {
      writer->is_full = 1;
      return;
    }
    writer->y = starts[++writer->pass];
  }
  find_row(writer);
}

static inline void put_index(Writer *writer, uint8_t index) {
  const cc_region *region = &writer->decode->region;
  const uint32_t x = writer->frame->left + writer->x - region->left;
  if (writer->row != NULL && x < region->width) {
    memcpy(writer->row + (size_t)x * 3, writer->frame->palette[index], 3);
  }
  if (++writer->x == writer->frame->width) end_row(writer);
}

// Codes of changing length, the lowest bit first, out of pieces.
typedef struct Codes {
  cc_input *in;
  uint32_t bits;
  int count;      // of bits that wait
  uint32_t left;  // of the piece
  int is_over;    // the last piece is over
} Codes;

static uint32_t next_code(Codes *codes, int length) {
  while (codes->count < length) {
    if (codes->left == 0 && (codes->left = cc_next(codes->in)) == 0) {
      codes->is_over = 1;
      return 0;
    }
    codes->left--;
    codes->bits |= (uint32_t)cc_next(codes->in) << codes->count;
    codes->count += 8;
  }
  const uint32_t code = codes->bits & ((1u << length) - 1);
  codes->bits >>= length;
  codes->count -= length;
  return code;
}

// Each code stands for that of a prefix and a last byte.
typedef struct Table {
  uint16_t prefix[most_codes];
  uint8_t last[most_codes], first[most_codes], stack[most_codes];
} Table;

// Writes the string of a code that is in the table.
static void put_string(Table *table, uint32_t code, uint32_t literals, Writer *writer) {
  uint32_t length = 0;
  while (code >= literals) {
    table->stack[length++] = table->last[code];
    code = table->prefix[code];
  }
  put_index(writer, (uint8_t)code);
  while (length > 0 && !writer->is_full) put_index(writer, table->stack[--length]);
}

static cc_status decode_codes(cc_input *in, Table *table, Writer *writer) {
  cc_message *message = &writer->decode->message;
  const int literal_bits = cc_next(in);
  if (in->ended) return cut(message);
  if (literal_bits < 1 || literal_bits > 8)
    return cc_fail(message, CC_CORRUPT, "its codes are of no legal size");
  const uint32_t clear = 1u << literal_bits, end = clear + 1;
  for (uint32_t i = 0; i < clear; i++) table->first[i] = (uint8_t)i;
  Codes codes = {.in = in};
  uint32_t next = end + 1, before = end;  // `before` is `end` where no code came before
  int length = literal_bits + 1;
  while (!writer->is_full) {
    const uint32_t code = next_code(&codes, length);
    if (in->ended) return cut(message);
    if (codes.is_over || code == end) return cc_fail(message, CC_CORRUPT, "it ends before its pixels do");
    if (code == clear) {
      next = end + 1;
      length = literal_bits + 1;
      before = end;
      continue;
    }
    const int is_new = code == next && before != end;
    if (code > next || (code == next && !is_new) || (code >= clear && code <= end)) {
      return cc_fail(message, CC_CORRUPT, "a code is not in its table");
    }
    if (before != end && next < most_codes) {
      table->prefix[next] = (uint16_t)before;
      table->first[next] = table->first[before];
      table->last[next] = table->first[is_new ? before : code];
      if (++next == 1u << length && length < 12) length++;
    }
    put_string(table, code, clear, writer);
    before = code;
  }
  return CC_OK;
}

static void fill_background(const cc_decode *decode, const Frame *frame) {
  if (frame->width == decode->width && frame->height == decode->height) return;
  const size_t pixels = (size_t)decode->region.width * decode->region.height;
  for (size_t i = 0; i < pixels; i++) memcpy(decode->pixels + 3 * i, frame->palette[frame->background], 3);
}

cc_status cc_gif_decode(cc_decode *decode) {
  cc_input in = {.bytes = decode->bytes, .count = decode->count};
  Frame frame = {0};
  cc_status status = read_header(&in, &frame, &decode->message);
  if (status == CC_OK) status = cc_same_size(decode, frame.canvas_width, frame.canvas_height);
  if (status != CC_OK) return status;
  if (!cc_may_take(decode, sizeof(Table))) return CC_OVER_MEMORY;
  Table *table = calloc(1, sizeof *table);
  if (table == NULL) return CC_OUT_OF_MEMORY;
  decode->begun = 1;
  fill_background(decode, &frame);
  Writer writer = {.decode = decode, .frame = &frame};
  find_row(&writer);
  status = decode_codes(&in, table, &writer);
  free(table);
  return status;
}
