// The interface of libmoco_parquet.so, which reads Parquet files with Apache Arrow's C++ library. It is built
// by scripts/parquet-library and loaded at run time, where there is one: nothing else needs it. No function
// throws; each that can fail returns 0, or 1 with a message. A file may be used by one thread at a time.
#pragma once

#include <stdint.h>

#include "ca_enum.h"

enum { CA_PARQUET_LAYOUT = 1, CA_PARQUET_MESSAGE = 400 };

typedef enum CA_CLOSED ca_parquet_kind {
  CA_PARQUET_BYTES CA_CASE(bytes) = 0,
  CA_PARQUET_INTEGER CA_CASE(integer),
  CA_PARQUET_OTHER CA_CASE(other),  // floats, lists and the like, which are not read
} ca_parquet_kind;

// The values of one column in one group of rows, in their order.
typedef struct ca_parquet_column {
  int64_t count;
  uint8_t *present;  // 0 where the value is null
  int64_t *numbers;  // of a column of integers; 0 where null
  uint8_t *bytes;    // of a column of bytes: all values, one after the other
  int64_t *ends;     // where each ends in `bytes`
} ca_parquet_column;

typedef struct ca_parquet ca_parquet;

typedef struct ca_parquet_library {
  int32_t layout;     // CA_PARQUET_LAYOUT, or it is another interface
  const char *arrow;  // Arrow's version
  // `limit`: bytes that reading may take at a time, for pages and for the values.
  int (*open)(const char *path, int64_t limit, ca_parquet **file, char *message);
  void (*close)(ca_parquet *file);
  int32_t (*column_count)(const ca_parquet *file);
  const char *(*column_name)(const ca_parquet *file,
                             int32_t column);  // with dots, as image.bytes; until close
  ca_parquet_kind (*column_kind)(const ca_parquet *file, int32_t column);
  int32_t (*group_count)(const ca_parquet *file);
  int64_t (*group_rows)(const ca_parquet *file, int32_t group);
  const char *(*metadata)(const ca_parquet *file, const char *key);  // NULL without; until close
  int (*read)(ca_parquet *file, int32_t group, int32_t column, ca_parquet_column *values, char *message);
  void (*release)(ca_parquet_column *values);
} ca_parquet_library;
