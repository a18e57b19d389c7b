// XML by expat: the elements of a document and the text of those without children, within limits.
//
// A document type that declares entities is refused, so that nothing expands, and nothing outside of the
// bytes is ever read. The bytes come in one piece: expat before 2.6 starts a long token again for each piece.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CX_CLOSED __attribute__((enum_extensibility(closed)))
#define CX_CASE(name) __attribute__((swift_name(#name)))

typedef enum CX_CLOSED cx_status {
  CX_OK CX_CASE(ok) = 0,
  CX_MALFORMED CX_CASE(malformed),
  CX_ENTITIES CX_CASE(entities),  // it declares entities
  CX_TOO_DEEP CX_CASE(tooDeep),
  CX_TOO_MANY CX_CASE(tooMany),  // elements
  CX_TOO_LONG CX_CASE(tooLong),  // an element's name or text
  CX_OUT_OF_MEMORY CX_CASE(outOfMemory),
} cx_status;

typedef struct cx_limits {
  size_t depth;     // elements within each other
  size_t elements;  // in all
  size_t text;      // bytes of a name or of an element's text
} cx_limits;

// UTF-8, valid until the function returns. The text of an element with children is NULL.
typedef struct cx_handlers {
  void *context;
  void (*begin)(void *context, const char *name);
  void (*end)(void *context, const char *text, size_t count);
} cx_handlers;

typedef struct cx_fault {
  uint64_t line;  // counted from 1
  char text[120];
} cx_fault;

// At most 2^31 - 1 bytes. `fault` is set unless the status is CX_OK.
cx_status cx_parse(const void *bytes, size_t count, const cx_limits *limits, const cx_handlers *handlers,
                   cx_fault *fault);
