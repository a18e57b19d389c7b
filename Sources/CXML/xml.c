#include <expat.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CXML.h"

typedef struct Session {
  XML_Parser parser;
  const cx_limits *limits;
  const cx_handlers *handlers;
  cx_status status;
  size_t depth, elements;
  int is_leaf;  // nothing has begun since the innermost element did
  char *text;   // of the innermost element, at most limits->text bytes
  size_t count, capacity;
} Session;

static void leave(Session *session, cx_status status) {
  if (session->status == CX_OK) session->status = status;
  XML_StopParser(session->parser, XML_FALSE);
}

static void XMLCALL on_begin(void *context, const XML_Char *name, const XML_Char **attributes) {
  Session *session = context;
  (void)attributes;
  if (session->status != CX_OK) return;
  if (++session->depth > session->limits->depth) return leave(session, CX_TOO_DEEP);
  if (++session->elements > session->limits->elements) return leave(session, CX_TOO_MANY);
  if (strlen(name) > session->limits->text) return leave(session, CX_TOO_LONG);
  session->is_leaf = 1;
  session->count = 0;
  session->handlers->begin(session->handlers->context, name);
}

static void XMLCALL on_end(void *context, const XML_Char *name) {
  Session *session = context;
  (void)name;
  if (session->status != CX_OK) return;
  session->depth--;
  const char *text = session->count > 0 ? session->text : "";
  session->handlers->end(session->handlers->context, session->is_leaf ? text : NULL, session->count);
  session->is_leaf = 0;
  session->count = 0;
}

// Text between an element's children belongs to none and is not kept.
static void XMLCALL on_text(void *context, const XML_Char *text, int length) {
  Session *session = context;
  if (session->status != CX_OK || !session->is_leaf || length <= 0) return;
  const size_t count = (size_t)length;
  if (count > session->limits->text - session->count) return leave(session, CX_TOO_LONG);
  if (session->count + count > session->capacity) {
    const size_t capacity = (session->count + count) * 2;
    char *grown = realloc(session->text, capacity);
    if (grown == NULL) return leave(session, CX_OUT_OF_MEMORY);
    session->text = grown;
    session->capacity = capacity;
  }
  memcpy(session->text + session->count, text, count);
  session->count += count;
}

static void XMLCALL on_entity(void *context, const XML_Char *name, int is_parameter, const XML_Char *value,
                              int value_length, const XML_Char *base, const XML_Char *system_id,
                              const XML_Char *public_id, const XML_Char *notation) {
  (void)name, (void)is_parameter, (void)value, (void)value_length;
  (void)base, (void)system_id, (void)public_id, (void)notation;
  leave(context, CX_ENTITIES);
}

static cx_status fail(cx_fault *fault, cx_status status, uint64_t line, const char *text) {
  fault->line = line;
  snprintf(fault->text, sizeof fault->text, "%s", text);
  return status;
}

cx_status cx_parse(const void *bytes, size_t count, const cx_limits *limits, const cx_handlers *handlers,
                   cx_fault *fault) {
  if (count > INT_MAX) return fail(fault, CX_TOO_LONG, 1, "too many bytes");
  Session session = {.limits = limits, .handlers = handlers, .parser = XML_ParserCreate(NULL)};
  if (session.parser == NULL) return fail(fault, CX_OUT_OF_MEMORY, 1, "out of memory");
  XML_SetUserData(session.parser, &session);
  XML_SetElementHandler(session.parser, on_begin, on_end);
  XML_SetCharacterDataHandler(session.parser, on_text);
  XML_SetEntityDeclHandler(session.parser, on_entity);
  const enum XML_Status result = XML_Parse(session.parser, bytes, (int)count, 1);
  if (result != XML_STATUS_OK) {
    const enum XML_Error error = XML_GetErrorCode(session.parser);
    if (session.status == CX_OK) {
      session.status = error == XML_ERROR_NO_MEMORY ? CX_OUT_OF_MEMORY : CX_MALFORMED;
    }
    fail(fault, session.status, XML_GetCurrentLineNumber(session.parser), XML_ErrorString(error));
  }
  XML_ParserFree(session.parser);
  free(session.text);
  return session.status;
}
