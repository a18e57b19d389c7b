#define _GNU_SOURCE
#include "CJSON.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif
#include <yajl/yajl_parse.h>

struct cj_parser {
  yajl_handle handle;
  cj_events events;
  void *context;
  locale_t locale;  // in which the point is a point
  int depth, max_depth;
  size_t max_length, silent;  // bytes since the last event
  int had_event;
  uint64_t place;  // bytes that were read
  cj_status fault;
  char message[200];
};

static int stop(cj_parser *parser, cj_status fault) {
  parser->fault = fault;
  return 0;
}

static int pass(cj_parser *parser, int result) {
  parser->had_event = 1;
  return result ? 1 : stop(parser, CJ_STOPPED);
}

// MARK: - Numbers

#define MAX_EXACT_POWER 22

static const double powers_of_ten[MAX_EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Digits with at most one point and no exponent whose value is one rounding of two exact numbers. Returns 0
// where the text is not so simple.
static int simple_number(const char *text, size_t count, double *value, int64_t *whole, int *is_whole) {
  const int is_negative = count > 0 && text[0] == '-';
  uint64_t digits = 0;
  size_t point = count;
  if (count > 17) return 0;  // so that the digits fit
  for (size_t i = is_negative; i < count; ++i) {
    if (text[i] == '.') {
      point = i;
    } else if (text[i] >= '0' && text[i] <= '9') {
      digits = 10 * digits + (uint64_t)(text[i] - '0');
    } else {
      return 0;
    }
  }
  if (digits > (UINT64_C(1) << 53)) return 0;
  const size_t places = point < count ? count - point - 1 : 0;
  const double size = (double)digits / powers_of_ten[places];
  *value = is_negative ? -size : size;
  *is_whole = size == (double)(int64_t)size;
  *whole = (int64_t)*value;
  return 1;
}

static int on_number(void *context, const char *text, size_t count) {
  cj_parser *parser = context;
  double value;
  int64_t whole;
  int is_whole;
  if (!simple_number(text, count, &value, &whole, &is_whole)) {
    char copy[400];
    if (count >= sizeof copy) return stop(parser, CJ_LENGTH);
    memcpy(copy, text, count);
    copy[count] = 0;
    value = strtod_l(copy, NULL, parser->locale);
    if (!isfinite(value)) return stop(parser, CJ_NUMBER);
    is_whole = fabs(value) < 9007199254740992.0 && value == floor(value);
    whole = is_whole ? (int64_t)value : 0;
    // Whole numbers beyond a double's 53 bits, such as some tools' ids.
    if (!is_whole && count <= 18 && !memchr(text, '.', count) && !memchr(text, 'e', count) &&
        !memchr(text, 'E', count)) {
      whole = strtoll(copy, NULL, 10);
      is_whole = 1;
    }
  }
  return pass(parser, parser->events.number(parser->context, value, whole, is_whole));
}

// MARK: - Events

static int on_null(void *context) {
  cj_parser *parser = context;
  return pass(parser, parser->events.null(parser->context));
}

static int on_boolean(void *context, int value) {
  cj_parser *parser = context;
  return pass(parser, parser->events.boolean(parser->context, value));
}

static int on_text(void *context, const unsigned char *bytes, size_t count) {
  cj_parser *parser = context;
  if (count > parser->max_length) return stop(parser, CJ_LENGTH);
  return pass(parser, parser->events.text(parser->context, bytes, count));
}

static int on_key(void *context, const unsigned char *bytes, size_t count) {
  cj_parser *parser = context;
  if (count > parser->max_length) return stop(parser, CJ_LENGTH);
  return pass(parser, parser->events.key(parser->context, bytes, count));
}

static int on_object_start(void *context) {
  cj_parser *parser = context;
  if (++parser->depth > parser->max_depth) return stop(parser, CJ_DEPTH);
  return pass(parser, parser->events.object_start(parser->context));
}

static int on_object_end(void *context) {
  cj_parser *parser = context;
  --parser->depth;
  return pass(parser, parser->events.object_end(parser->context));
}

static int on_array_start(void *context) {
  cj_parser *parser = context;
  if (++parser->depth > parser->max_depth) return stop(parser, CJ_DEPTH);
  return pass(parser, parser->events.array_start(parser->context));
}

static int on_array_end(void *context) {
  cj_parser *parser = context;
  --parser->depth;
  return pass(parser, parser->events.array_end(parser->context));
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_text,
    .yajl_start_map = on_object_start,
    .yajl_map_key = on_key,
    .yajl_end_map = on_object_end,
    .yajl_start_array = on_array_start,
    .yajl_end_array = on_array_end,
};

// MARK: - Parser

cj_parser *cj_parser_make(const cj_events *events, void *context, int max_depth, size_t max_length) {
  cj_parser *parser = calloc(1, sizeof *parser);
  if (!parser) return NULL;
  parser->events = *events;
  parser->context = context;
  parser->max_depth = max_depth;
  parser->max_length = max_length;
  parser->locale = newlocale(LC_ALL_MASK, "C", NULL);
  parser->handle = yajl_alloc(&callbacks, NULL, parser);
  if (parser->handle && parser->locale) return parser;
  cj_parser_free(parser);
  return NULL;
}

void cj_parser_free(cj_parser *parser) {
  if (!parser) return;
  if (parser->handle) yajl_free(parser->handle);
  if (parser->locale) freelocale(parser->locale);
  free(parser);
}

// The first line of the library's words.
static void keep_message(cj_parser *parser, const void *bytes, size_t count) {
  unsigned char *text = yajl_get_error(parser->handle, 0, bytes, count);
  if (!text) return;
  strncpy(parser->message, (const char *)text, sizeof parser->message - 1);
  parser->message[strcspn(parser->message, "\n")] = 0;
  yajl_free_error(parser->handle, text);
}

static cj_status result(cj_parser *parser, yajl_status status, const void *bytes, size_t count) {
  switch (status) {
    case yajl_status_ok: return CJ_OK;
    case yajl_status_client_canceled: return parser->fault;
    default: keep_message(parser, bytes, count); return CJ_SYNTAX;
  }
}

cj_status cj_parser_feed(cj_parser *parser, const void *bytes, size_t count) {
  parser->had_event = 0;
  const cj_status status = result(parser, yajl_parse(parser->handle, bytes, count), bytes, count);
  parser->place += status == CJ_OK ? count : yajl_get_bytes_consumed(parser->handle);
  if (status != CJ_OK) return status;
  parser->silent = parser->had_event ? 0 : parser->silent + count;
  return parser->silent > parser->max_length ? CJ_LENGTH : CJ_OK;
}

cj_status cj_parser_finish(cj_parser *parser) {
  return result(parser, yajl_complete_parse(parser->handle), "", 0);
}

uint64_t cj_parser_place(const cj_parser *parser) { return parser->place; }

const char *cj_parser_message(const cj_parser *parser) { return parser->message; }
