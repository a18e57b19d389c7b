#define _GNU_SOURCE
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tar.h"

// MARK: Opening

static ca_tar_status open_parser(ca_tar *tar) {
  tar->parser_start = tar->block_start + (int64_t)tar->block_given;
  tar->parser = archive_read_new();
  if (tar->parser == NULL) return ca_tar_fail(tar, CA_TAR_OUT_OF_MEMORY, "out of memory");
  archive_read_support_format_tar(tar->parser);
  archive_read_set_options(tar->parser, "!mac-ext");
  archive_read_set_read_callback(tar->parser, ca_tar_give_block);
  archive_read_set_skip_callback(tar->parser, ca_tar_skip_bytes);
  archive_read_set_callback_data(tar->parser, tar);
  if (archive_read_open1(tar->parser) == ARCHIVE_OK) return CA_TAR_OK;
  return ca_tar_fail(tar, CA_TAR_DAMAGED, archive_error_string(tar->parser));
}

// Done with the first member, not before: a command may be slow, and cancelling must work by then.
static ca_tar_status open_archive(ca_tar *tar) {
  if (!ca_tar_next_block(tar)) return ca_tar_fail(tar, CA_TAR_DAMAGED, "it is empty");
  static const uint8_t gzip[] = {0x1F, 0x8B}, zstd[] = {0x28, 0xB5, 0x2F, 0xFD};
  ca_tar_status status = CA_TAR_OK;
  if (tar->block_count >= sizeof gzip && memcmp(tar->block, gzip, sizeof gzip) == 0) {
    status = ca_tar_open_unpacker(tar, archive_read_support_filter_gzip);
  } else if (tar->block_count >= sizeof zstd && memcmp(tar->block, zstd, sizeof zstd) == 0) {
    status = ca_tar_open_unpacker(tar, archive_read_support_filter_zstd);
  }
  return status == CA_TAR_OK ? open_parser(tar) : status;
}

static ca_tar *make(size_t block_bytes, int64_t limit) {
  ca_tar *tar = calloc(1, sizeof *tar);
  uint8_t *block = malloc(block_bytes);
  if (tar == NULL || block == NULL) {
    free(tar);
    free(block);
    return NULL;
  }
  tar->block = block;
  tar->block_bytes = block_bytes;
  tar->limit = limit;
  tar->input_left = INT64_MAX;
  tar->input = tar->command.output = tar->command.errors = -1;
  return tar;
}

ca_tar_status ca_tar_open_file(const char *path, size_t block_bytes, int64_t limit, ca_tar **out) {
  ca_tar *tar = *out = make(block_bytes, limit);
  if (tar == NULL) return CA_TAR_OUT_OF_MEMORY;
  struct stat facts;
  // A pipe in the file's place must not make the opening wait for ever.
  tar->input = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (tar->input < 0 || fstat(tar->input, &facts) != 0) {
    return ca_tar_fail(tar, CA_TAR_UNREADABLE, strerror(errno));
  }
  if (!S_ISREG(facts.st_mode)) return ca_tar_fail(tar, CA_TAR_UNREADABLE, "not a regular file");
  tar->file_size = facts.st_size;
  return CA_TAR_OK;
}

ca_tar_status ca_tar_open_part(const char *path, int64_t offset, int64_t count, size_t block_bytes,
                               int64_t limit, ca_tar **out) {
  const ca_tar_status status = ca_tar_open_file(path, block_bytes, limit, out);
  ca_tar *tar = *out;
  if (status != CA_TAR_OK) return status;
  if (offset < 0 || count < 0 || offset > tar->file_size - count) {
    return ca_tar_fail(tar, CA_TAR_DAMAGED, "it ends too early");
  }
  if (lseek(tar->input, offset, SEEK_SET) < 0) return ca_tar_fail(tar, CA_TAR_UNREADABLE, strerror(errno));
  tar->file_size = tar->input_left = count;
  return CA_TAR_OK;
}

ca_tar_status ca_tar_open_command(const char *command, size_t block_bytes, int64_t limit, ca_tar **out) {
  ca_tar *tar = *out = make(block_bytes, limit);
  if (tar == NULL) return CA_TAR_OUT_OF_MEMORY;
  tar->file_size = -1;
  const int error = ca_command_start(command, &tar->command);
  if (error != 0) return ca_tar_fail(tar, CA_TAR_UNREADABLE, strerror(error));
  tar->input = tar->command.output;
  return CA_TAR_OK;
}

// MARK: The end

// Waits for a command that has closed its output.
static ca_tar_status await_command(ca_tar *tar) {
  const struct timespec pause = {.tv_nsec = 1000000};
  int status;
  while ((status = ca_command_poll(&tar->command)) < 0) {
    if (atomic_load(&tar->cancelled)) {
      tar->failure = CA_TAR_OK;
      return ca_tar_fail(tar, CA_TAR_CANCELLED, "cancelled");
    }
    if (tar->command.errors >= 0) ca_tar_keep_errors(tar);
    nanosleep(&pause, NULL);
  }
  if (tar->command.errors >= 0) ca_tar_keep_errors(tar);
  if (status == 0) return CA_TAR_OK;
  // The command explains more than what its broken output led to.
  tar->failure = CA_TAR_OK;
  char text[sizeof tar->message];
  const char *what = WIFSIGNALED(status) ? "ended by signal" : "exit status";
  const int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  const size_t count = tar->errors_count < 300 ? tar->errors_count : 300;
  snprintf(text, sizeof text, "%s %d%s%.*s", what, number, count > 0 ? ": " : "", (int)count,
           tar->errors + tar->errors_count - count);
  return ca_tar_fail(tar, CA_TAR_COMMAND_FAILED, text);
}

// The last word about an archive. A command that is still writing is not to blame for what its output lacks.
static ca_tar_status settle(ca_tar *tar, ca_tar_status status) {
  const int is_over = status == CA_TAR_END || status == CA_TAR_DAMAGED;
  if (!is_over || tar->command.process == 0) return status;
  if (status == CA_TAR_END) {
    uint8_t *scratch = tar->unpacker != NULL ? tar->packed : tar->block;
    while (!tar->input_ended) {
      if (ca_tar_read_input(tar, scratch) < 0) return tar->failure;
    }
  }
  if (tar->input_ended && await_command(tar) != CA_TAR_OK) return tar->failure;
  return status;
}

void ca_tar_set_patience(ca_tar *tar, int seconds) { tar->patience = seconds; }

void ca_tar_cancel(ca_tar *tar) { atomic_store(&tar->cancelled, 1); }

const char *ca_tar_message(const ca_tar *tar) { return tar->message; }

void ca_tar_free(ca_tar *tar) {
  if (tar == NULL) return;
  const int owns_input = tar->input != tar->command.output;
  if (tar->parser != NULL) archive_read_free(tar->parser);
  if (tar->unpacker != NULL) archive_read_free(tar->unpacker);
  if (owns_input && tar->input >= 0) close(tar->input);
  ca_command_close(&tar->command);
  ca_command_stop(&tar->command);
  free(tar->packed);
  free(tar->block);
  free(tar);
}

// MARK: Members

// Tar's own checksum: the sum of the header's bytes with eight spaces in the sum's place.
static int looks_like_header(const uint8_t *header) {
  char digits[9] = {0};
  memcpy(digits, header + 148, 8);
  unsigned long sum = 8 * ' ';
  for (int i = 0; i < record; i++) sum += i >= 148 && i < 156 ? 0 : header[i];
  return strtoul(digits, NULL, 8) == sum;
}

static int is_empty(const uint8_t *header) {
  for (int i = 0; i < record; i++) {
    if (header[i] != 0) return 0;
  }
  return 1;
}

// libarchive gives an archive up after a member of impossible size. What follows its header is its data, if
// it has any, and then the next header: a new parser goes on there.
static ca_tar_status restart(ca_tar *tar) {
  const int64_t given_up = tar->parser_start + archive_filter_bytes(tar->parser, 0);
  archive_read_free(tar->parser);
  tar->parser = NULL;
  tar->parser_gave_up = 0;
  if (given_up < tar->block_start || given_up > tar->block_start + (int64_t)tar->block_count) {
    return ca_tar_fail(tar, CA_TAR_DAMAGED, "a member of impossible size");
  }
  tar->block_given = (size_t)(given_up - tar->block_start);
  for (;;) {
    for (; tar->block_given + record <= tar->block_count; tar->block_given += record) {
      const uint8_t *header = tar->block + tar->block_given;
      if (looks_like_header(header) || is_empty(header)) return open_parser(tar);
    }
    if (!ca_tar_next_block(tar)) return tar->failure == CA_TAR_OK ? CA_TAR_END : tar->failure;
  }
}

static ca_tar_status parser_failed(ca_tar *tar) {
  return ca_tar_fail(tar, CA_TAR_DAMAGED, archive_error_string(tar->parser));
}

static int is_about_size(const char *text) {
  return text != NULL && strstr(text, "size") != NULL &&
         (strstr(text, "negative") != NULL || strstr(text, "overflow") != NULL);
}

static ca_tar_kind kind_of(const ca_tar *tar, struct archive_entry *entry, const ca_tar_member *member) {
  if (archive_entry_hardlink(entry) != NULL) return CA_TAR_LINK;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG: break;
    case AE_IFDIR: return CA_TAR_FOLDER;
    case AE_IFLNK: return CA_TAR_LINK;
    default: return CA_TAR_DEVICE;
  }
  // A sparse file's real size may be negative without the parser minding.
  if (member->size < 0 || archive_entry_sparse_reset(entry) > 0) return CA_TAR_SPARSE;
  if (member->size <= tar->limit) return CA_TAR_FILE;
  // Not a cut archive but a false number: no member over the limit is of use, and this one cannot be there.
  const int fits = ca_tar_is_plain_file(tar) ? member->size <= tar->file_size - member->offset
                                             : member->size <= (int64_t)1 << 40;
  return fits ? CA_TAR_TOO_LARGE : CA_TAR_BAD_SIZE;
}

static ca_tar_status read_block(ca_tar *tar) {
  const void *data = NULL;
  la_int64_t offset = 0;
  const int result = archive_read_data_block(tar->parser, &data, &tar->data_count, &offset);
  if (result == ARCHIVE_EOF) {
    return ca_tar_fail(tar, CA_TAR_DAMAGED, "a member is shorter than its header says");
  }
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return parser_failed(tar);
  tar->data = data;
  tar->data_offset = offset;
  return CA_TAR_OK;
}

// The pax form of a sparse file shows only when its data are read: a map comes before them.
static ca_tar_status look_at_data(ca_tar *tar, ca_tar_member *member) {
  const ca_tar_status status = read_block(tar);
  if (status != CA_TAR_OK) return status;
  const int64_t position = tar->parser_start + archive_filter_bytes(tar->parser, 0);
  if (tar->data_offset != 0 || position != member->offset) member->kind = CA_TAR_SPARSE;
  return CA_TAR_OK;
}

static ca_tar_status next_member(ca_tar *tar, ca_tar_member *member) {
  if (tar->failure != CA_TAR_OK) return tar->failure;
  const ca_tar_status ready = tar->parser == NULL   ? open_archive(tar)
                              : tar->parser_gave_up ? restart(tar)
                                                    : CA_TAR_OK;
  if (ready != CA_TAR_OK) return ready;
  struct archive_entry *entry = NULL;
  const int result = archive_read_next_header(tar->parser, &entry);
  *member = (ca_tar_member){.kind = CA_TAR_BAD_SIZE};
  tar->data_count = 0;
  if (result == ARCHIVE_EOF) return CA_TAR_END;
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
    if (tar->failure != CA_TAR_OK || !is_about_size(archive_error_string(tar->parser))) {
      return parser_failed(tar);
    }
    tar->parser_gave_up = 1;
    return CA_TAR_OK;
  }
  member->name = archive_entry_pathname(entry);
  member->size = archive_entry_size(entry);
  member->offset = tar->parser_start + archive_filter_bytes(tar->parser, 0);
  member->kind = kind_of(tar, entry, member);
  tar->parser_gave_up = member->kind == CA_TAR_BAD_SIZE;
  if (member->kind != CA_TAR_FILE || member->size == 0) return CA_TAR_OK;
  return look_at_data(tar, member);
}

ca_tar_status ca_tar_next(ca_tar *tar, ca_tar_member *member) {
  return settle(tar, next_member(tar, member));
}

ca_tar_status ca_tar_read(ca_tar *tar, void *out, size_t count) {
  uint8_t *to = out;
  while (count > 0) {
    if (tar->data_count == 0) {
      const int64_t expected = tar->data_offset;
      const ca_tar_status status = read_block(tar);
      if (status != CA_TAR_OK) return settle(tar, status);
      if (tar->data_offset != expected) return ca_tar_fail(tar, CA_TAR_DAMAGED, "a member has holes");
    }
    const size_t step = count < tar->data_count ? count : tar->data_count;
    memcpy(to, tar->data, step);
    to += step;
    count -= step;
    tar->data += step;
    tar->data_count -= step;
    tar->data_offset += (int64_t)step;
  }
  return CA_TAR_OK;
}
