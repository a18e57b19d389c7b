// The library for Parquet: see ca_parquet.h. scripts/parquet-library builds it; the program loads it where it
// meets a Parquet file.
#include "ca_parquet.h"

#include <arrow/io/file.h>
#include <arrow/memory_pool.h>
#include <arrow/util/config.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

struct ca_parquet {
  ca_parquet(const char *path, int64_t limit) : limit(limit), pool(arrow::system_memory_pool(), limit) {
    parquet::ReaderProperties properties(&pool);
    auto source = arrow::io::ReadableFile::Open(path, &pool);
    if (!source.ok()) throw parquet::ParquetException(source.status().message());
    reader = parquet::ParquetFileReader::Open(*source, properties);
    metadata = reader->metadata();
    for (int column = 0; column < metadata->num_columns(); column++) {
      names.push_back(metadata->schema()->Column(column)->path()->ToDotString());
    }
    if (const auto &values = metadata->key_value_metadata()) {
      for (int64_t i = 0; i < values->size(); i++) texts.emplace_back(values->key(i), values->value(i));
    }
  }

  const int64_t limit;
  arrow::CappedMemoryPool pool;
  std::unique_ptr<parquet::ParquetFileReader> reader;
  std::shared_ptr<parquet::FileMetaData> metadata;
  std::vector<std::string> names;
  std::vector<std::pair<std::string, std::string>> texts;
};

namespace {

template <class Body>
int guarded(char *message, Body &&body) {
  try {
    body();
    return 0;
  } catch (const std::exception &error) {
    std::snprintf(message, CA_PARQUET_MESSAGE, "%s", error.what());
  } catch (...) {
    std::snprintf(message, CA_PARQUET_MESSAGE, "unknown error");
  }
  return 1;
}

ca_parquet_kind kind_of(const parquet::ColumnDescriptor *column) {
  if (column->max_repetition_level() > 0) return CA_PARQUET_OTHER;
  switch (column->physical_type()) {
    case parquet::Type::BYTE_ARRAY: return CA_PARQUET_BYTES;
    case parquet::Type::INT32:
    case parquet::Type::INT64: return CA_PARQUET_INTEGER;
    default: return CA_PARQUET_OTHER;
  }
}

template <class Value>
Value *taken(const std::vector<Value> &values) {
  auto *copy = static_cast<Value *>(std::malloc(std::max<size_t>(1, values.size() * sizeof(Value))));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, values.data(), values.size() * sizeof(Value));
  return copy;
}

// Grows by doubling, and never over the limit.
struct Bytes {
  std::unique_ptr<uint8_t, void (*)(void *)> data{nullptr, std::free};
  int64_t count = 0, capacity = 0;

  void append(const uint8_t *bytes, int64_t more, int64_t limit) {
    if (more > limit - count) throw parquet::ParquetException("its values take more memory than the limit");
    if (count + more > capacity) {
      capacity = std::min(limit, std::max<int64_t>({count + more, capacity * 2, 1 << 16}));
      auto *grown = static_cast<uint8_t *>(std::realloc(data.get(), static_cast<size_t>(capacity)));
      if (grown == nullptr) throw std::bad_alloc();
      (void)data.release();
      data.reset(grown);
    }
    if (more > 0) std::memcpy(data.get() + count, bytes, static_cast<size_t>(more));
    count += more;
  }
};

constexpr int64_t batch = 1024;

// Calls `add` with each batch's definition levels and its values that are not null.
template <class Reader, class Add>
void each_batch(parquet::ColumnReader *column, int64_t rows, Add &&add) {
  auto *reader = static_cast<Reader *>(column);
  std::vector<int16_t> levels(batch);
  std::vector<typename Reader::T> values(batch);
  for (int64_t done = 0; done < rows;) {
    int64_t found = 0;
    const int64_t count =
        reader->ReadBatch(std::min(batch, rows - done), levels.data(), nullptr, values.data(), &found);
    if (count <= 0) throw parquet::ParquetException("a column has fewer values than rows");
    const bool has_nulls = reader->descr()->max_definition_level() > 0;
    int64_t used = 0;
    for (int64_t i = 0; i < count; i++) {
      const bool present = !has_nulls || levels[i] == reader->descr()->max_definition_level();
      if (present && used == found) throw parquet::ParquetException("a column has fewer values than it says");
      add(present ? &values[used++] : nullptr);
    }
    done += count;
  }
}

template <class Reader>
void read_integers(parquet::ColumnReader *column, int64_t rows, ca_parquet_column *out) {
  std::vector<uint8_t> present;
  std::vector<int64_t> numbers;
  each_batch<Reader>(column, rows, [&](const typename Reader::T *value) {
    present.push_back(value != nullptr);
    numbers.push_back(value != nullptr ? static_cast<int64_t>(*value) : 0);
  });
  out->present = taken(present);
  out->numbers = taken(numbers);
  out->count = static_cast<int64_t>(numbers.size());
}

void read_bytes(parquet::ColumnReader *column, int64_t rows, int64_t limit, ca_parquet_column *out) {
  std::vector<uint8_t> present;
  std::vector<int64_t> ends;
  Bytes bytes;
  each_batch<parquet::ByteArrayReader>(column, rows, [&](const parquet::ByteArray *value) {
    if (value != nullptr) bytes.append(value->ptr, value->len, limit);
    present.push_back(value != nullptr);
    ends.push_back(bytes.count);
  });
  out->present = taken(present);
  out->ends = taken(ends);
  out->count = static_cast<int64_t>(ends.size());
  out->bytes = bytes.data.release();
}

void release(ca_parquet_column *values) {
  std::free(values->present);
  std::free(values->numbers);
  std::free(values->bytes);
  std::free(values->ends);
  *values = {};
}

int open(const char *path, int64_t limit, ca_parquet **file, char *message) {
  *file = nullptr;
  return guarded(message, [&] { *file = new ca_parquet(path, limit); });
}

void close(ca_parquet *file) {
  char message[CA_PARQUET_MESSAGE];
  (void)guarded(message, [&] { delete file; });
}

int32_t column_count(const ca_parquet *file) { return static_cast<int32_t>(file->names.size()); }

const char *column_name(const ca_parquet *file, int32_t column) {
  return file->names[static_cast<size_t>(column)].c_str();
}

ca_parquet_kind column_kind(const ca_parquet *file, int32_t column) {
  return kind_of(file->metadata->schema()->Column(column));
}

int32_t group_count(const ca_parquet *file) { return file->metadata->num_row_groups(); }

int64_t group_rows(const ca_parquet *file, int32_t group) {
  char message[CA_PARQUET_MESSAGE];
  int64_t rows = -1;
  (void)guarded(message, [&] { rows = file->metadata->RowGroup(group)->num_rows(); });
  return rows;
}

const char *metadata(const ca_parquet *file, const char *key) {
  for (const auto &text : file->texts) {
    if (text.first == key) return text.second.c_str();
  }
  return nullptr;
}

int read(ca_parquet *file, int32_t group, int32_t column, ca_parquet_column *out, char *message) {
  *out = {};
  const int status = guarded(message, [&] {
    const auto rows = file->metadata->RowGroup(group)->num_rows();
    // A row takes nine bytes here, whatever it holds.
    if (rows < 0 || rows > file->limit / 9)
      throw parquet::ParquetException("it has an impossible number of rows");
    const auto reader = file->reader->RowGroup(group)->Column(column);
    switch (reader->type()) {
      case parquet::Type::BYTE_ARRAY: return read_bytes(reader.get(), rows, file->limit, out);
      case parquet::Type::INT32: return read_integers<parquet::Int32Reader>(reader.get(), rows, out);
      case parquet::Type::INT64: return read_integers<parquet::Int64Reader>(reader.get(), rows, out);
      default: throw parquet::ParquetException("a column of a type that is not read");
    }
  });
  if (status != 0) release(out);
  return status;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const ca_parquet_library *ca_parquet_entry(void) {
  static const ca_parquet_library library{
      CA_PARQUET_LAYOUT, ARROW_VERSION_STRING, open,       close,    column_count, column_name,
      column_kind,       group_count,          group_rows, metadata, read,         release,
  };
  return &library;
}
