// JSON as events, a piece of a file at a time, by yajl. Memory: the nesting, and the longest text or number
// that a piece's end cuts, both limited.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Each returns 0 to stop the reading. Texts are UTF-8, without a zero at the end, and valid during the call.
typedef struct cj_events {
  int (*null)(void *context);
  int (*boolean)(void *context, int value);
  /// `is_whole`: the value is that of `whole` exactly.
  int (*number)(void *context, double value, int64_t whole, int is_whole);
  int (*text)(void *context, const uint8_t *bytes, size_t count);
  int (*key)(void *context, const uint8_t *bytes, size_t count);
  int (*object_start)(void *context);
  int (*object_end)(void *context);
  int (*array_start)(void *context);
  int (*array_end)(void *context);
} cj_events;

typedef enum __attribute__((enum_extensibility(closed))) cj_status {
  CJ_OK __attribute__((swift_name("ok"))) = 0,
  CJ_STOPPED __attribute__((swift_name("stopped"))),  // an event returned 0
  CJ_DEPTH __attribute__((swift_name("tooDeep"))),
  CJ_LENGTH __attribute__((swift_name("tooLong"))),   // a text, number or gap over the limit
  CJ_NUMBER __attribute__((swift_name("overflow"))),  // a number beyond a double's range
  CJ_SYNTAX __attribute__((swift_name("syntax"))),
  CJ_OUT_OF_MEMORY __attribute__((swift_name("outOfMemory"))),
} cj_status;

typedef struct cj_parser cj_parser;

/// NULL without memory. `context` is handed to the events, which are copied.
cj_parser *cj_parser_make(const cj_events *events, void *context, int max_depth, size_t max_length);
cj_status cj_parser_feed(cj_parser *parser, const void *bytes, size_t count);
/// After the last piece.
cj_status cj_parser_finish(cj_parser *parser);
/// Bytes from the beginning of the first piece to the place that was read last.
uint64_t cj_parser_place(const cj_parser *parser);
/// The library's words for a fault of syntax, or an empty text; valid until the next call.
const char *cj_parser_message(const cj_parser *parser);
void cj_parser_free(cj_parser *parser);
