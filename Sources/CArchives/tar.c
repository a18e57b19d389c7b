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

static MocoTarStatus open_parser(MocoTar *tar) {
  tar->parser_start = tar->block_start + (int64_t)tar->block_given;
  tar->parser = archive_read_new();
  if (tar->parser == NULL) return moco_tar_fail(tar, MocoTarStatusOutOfMemory, "out of memory");
  archive_read_support_format_tar(tar->parser);
  archive_read_set_options(tar->parser, "!mac-ext");
  archive_read_set_read_callback(tar->parser, moco_tar_give_block);
  archive_read_set_skip_callback(tar->parser, moco_tar_skip_bytes);
  archive_read_set_callback_data(tar->parser, tar);
  if (archive_read_open1(tar->parser) == ARCHIVE_OK) return MocoTarStatusOk;
  return moco_tar_fail(tar, MocoTarStatusDamaged, archive_error_string(tar->parser));
}

// Not done before the first member is asked for: a command may take its time, and cancelling must work by then.
static MocoTarStatus open_archive(MocoTar *tar) {
  if (!moco_tar_next_block(tar)) return moco_tar_fail(tar, MocoTarStatusDamaged, "it is empty");
  static const uint8_t gzip[] = {0x1F, 0x8B}, zstd[] = {0x28, 0xB5, 0x2F, 0xFD};
  MocoTarStatus status = MocoTarStatusOk;
  if (tar->block_count >= sizeof gzip && memcmp(tar->block, gzip, sizeof gzip) == 0) {
    status = moco_tar_open_unpacker(tar, archive_read_support_filter_gzip);
  } else if (tar->block_count >= sizeof zstd && memcmp(tar->block, zstd, sizeof zstd) == 0) {
    status = moco_tar_open_unpacker(tar, archive_read_support_filter_zstd);
  }
  return status == MocoTarStatusOk ? open_parser(tar) : status;
}

static MocoTar *make(size_t block_bytes, int64_t limit) {
  MocoTar *tar = calloc(1, sizeof *tar);
  uint8_t *block = malloc(block_bytes);
  if (tar == NULL || block == NULL) {
    free(tar);
    free(block);
    return NULL;
  }
  tar->block = block;
  tar->block_bytes = block_bytes;
  tar->limit = limit;
  tar->input = tar->command.output = tar->command.errors = -1;
  return tar;
}

MocoTarStatus moco_tar_open_file(const char *path, size_t block_bytes, int64_t limit, MocoTar **out) {
  MocoTar *tar = *out = make(block_bytes, limit);
  if (tar == NULL) return MocoTarStatusOutOfMemory;
  struct stat facts;
  // A pipe in the file's place must not make the opening wait for ever.
  tar->input = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (tar->input < 0 || fstat(tar->input, &facts) != 0) {
    return moco_tar_fail(tar, MocoTarStatusUnreadable, strerror(errno));
  }
  if (!S_ISREG(facts.st_mode)) return moco_tar_fail(tar, MocoTarStatusUnreadable, "not a regular file");
  tar->file_size = facts.st_size;
  return MocoTarStatusOk;
}

MocoTarStatus moco_tar_open_command(const char *command, size_t block_bytes, int64_t limit, MocoTar **out) {
  MocoTar *tar = *out = make(block_bytes, limit);
  if (tar == NULL) return MocoTarStatusOutOfMemory;
  tar->file_size = -1;
  const int error = moco_command_start(command, &tar->command);
  if (error != 0) return moco_tar_fail(tar, MocoTarStatusUnreadable, strerror(error));
  tar->input = tar->command.output;
  return MocoTarStatusOk;
}

// MARK: The end

// Waits for a command that has closed its output.
static MocoTarStatus await_command(MocoTar *tar) {
  const struct timespec pause = {.tv_nsec = 1000000};
  int status;
  while ((status = moco_command_poll(&tar->command)) < 0) {
    if (atomic_load(&tar->cancelled)) {
      tar->failure = MocoTarStatusOk;
      return moco_tar_fail(tar, MocoTarStatusCancelled, "cancelled");
    }
    if (tar->command.errors >= 0) moco_tar_keep_errors(tar);
    nanosleep(&pause, NULL);
  }
  if (tar->command.errors >= 0) moco_tar_keep_errors(tar);
  if (status == 0) return MocoTarStatusOk;
  // The command explains more than what its broken output led to.
  tar->failure = MocoTarStatusOk;
  char text[sizeof tar->message];
  const char *what = WIFSIGNALED(status) ? "ended by signal" : "exit status";
  const int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  const size_t count = tar->errors_count < 300 ? tar->errors_count : 300;
  snprintf(text, sizeof text, "%s %d%s%.*s", what, number, count > 0 ? ": " : "", (int)count,
           tar->errors + tar->errors_count - count);
  return moco_tar_fail(tar, MocoTarStatusCommandFailed, text);
}

// The last word about an archive. A command that is still writing is not to blame for what its output lacks.
static MocoTarStatus settle(MocoTar *tar, MocoTarStatus status) {
  const int is_over = status == MocoTarStatusEnd || status == MocoTarStatusDamaged;
  if (!is_over || tar->command.process == 0) return status;
  if (status == MocoTarStatusEnd) {
    uint8_t *scratch = tar->unpacker != NULL ? tar->packed : tar->block;
    while (!tar->input_ended) {
      if (moco_tar_read_input(tar, scratch) < 0) return tar->failure;
    }
  }
  if (tar->input_ended && await_command(tar) != MocoTarStatusOk) return tar->failure;
  return status;
}

void moco_tar_cancel(MocoTar *tar) { atomic_store(&tar->cancelled, 1); }

const char *moco_tar_message(const MocoTar *tar) { return tar->message; }

void moco_tar_free(MocoTar *tar) {
  if (tar == NULL) return;
  const int owns_input = tar->input != tar->command.output;
  if (tar->parser != NULL) archive_read_free(tar->parser);
  if (tar->unpacker != NULL) archive_read_free(tar->unpacker);
  if (owns_input && tar->input >= 0) close(tar->input);
  moco_command_close(&tar->command);
  moco_command_stop(&tar->command);
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

// libarchive gives an archive up after a member of impossible size. What follows its header is its data, if it has
// any, and then the next header: a new parser goes on there.
static MocoTarStatus restart(MocoTar *tar) {
  const int64_t given_up = tar->parser_start + archive_filter_bytes(tar->parser, 0);
  archive_read_free(tar->parser);
  tar->parser = NULL;
  tar->parser_gave_up = 0;
  if (given_up < tar->block_start || given_up > tar->block_start + (int64_t)tar->block_count) {
    return moco_tar_fail(tar, MocoTarStatusDamaged, "a member of impossible size");
  }
  tar->block_given = (size_t)(given_up - tar->block_start);
  for (;;) {
    for (; tar->block_given + record <= tar->block_count; tar->block_given += record) {
      const uint8_t *header = tar->block + tar->block_given;
      if (looks_like_header(header) || is_empty(header)) return open_parser(tar);
    }
    if (!moco_tar_next_block(tar)) return tar->failure == MocoTarStatusOk ? MocoTarStatusEnd : tar->failure;
  }
}

static MocoTarStatus parser_failed(MocoTar *tar) {
  return moco_tar_fail(tar, MocoTarStatusDamaged, archive_error_string(tar->parser));
}

static int is_about_size(const char *text) {
  return text != NULL && strstr(text, "size") != NULL &&
         (strstr(text, "negative") != NULL || strstr(text, "overflow") != NULL);
}

static MocoTarKind kind_of(const MocoTar *tar, struct archive_entry *entry, const MocoTarMember *member) {
  if (archive_entry_hardlink(entry) != NULL) return MocoTarKindLink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG: break;
    case AE_IFDIR: return MocoTarKindFolder;
    case AE_IFLNK: return MocoTarKindLink;
    default: return MocoTarKindDevice;
  }
  // A sparse file's real size may be negative without the parser minding.
  if (member->size < 0 || archive_entry_sparse_reset(entry) > 0) return MocoTarKindSparse;
  if (member->size <= tar->limit) return MocoTarKindFile;
  // Not a cut archive but a false number: no member over the limit is of use, and this one cannot be there.
  const int fits = moco_tar_is_plain_file(tar) ? member->size <= tar->file_size - member->offset
                                               : member->size <= (int64_t)1 << 40;
  return fits ? MocoTarKindTooLarge : MocoTarKindBadSize;
}

static MocoTarStatus read_block(MocoTar *tar) {
  const void *data = NULL;
  la_int64_t offset = 0;
  const int result = archive_read_data_block(tar->parser, &data, &tar->data_count, &offset);
  if (result == ARCHIVE_EOF) {
    return moco_tar_fail(tar, MocoTarStatusDamaged, "a member is shorter than its header says");
  }
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return parser_failed(tar);
  tar->data = data;
  tar->data_offset = offset;
  return MocoTarStatusOk;
}

// The pax form of a sparse file shows only when its data are asked for: a map comes before them.
static MocoTarStatus look_at_data(MocoTar *tar, MocoTarMember *member) {
  const MocoTarStatus status = read_block(tar);
  if (status != MocoTarStatusOk) return status;
  const int64_t position = tar->parser_start + archive_filter_bytes(tar->parser, 0);
  if (tar->data_offset != 0 || position != member->offset) member->kind = MocoTarKindSparse;
  return MocoTarStatusOk;
}

static MocoTarStatus next_member(MocoTar *tar, MocoTarMember *member) {
  if (tar->failure != MocoTarStatusOk) return tar->failure;
  const MocoTarStatus ready = tar->parser == NULL ? open_archive(tar)
                              : tar->parser_gave_up ? restart(tar)
                                                    : MocoTarStatusOk;
  if (ready != MocoTarStatusOk) return ready;
  struct archive_entry *entry = NULL;
  const int result = archive_read_next_header(tar->parser, &entry);
  *member = (MocoTarMember){.kind = MocoTarKindBadSize};
  tar->data_count = 0;
  if (result == ARCHIVE_EOF) return MocoTarStatusEnd;
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
    if (tar->failure != MocoTarStatusOk || !is_about_size(archive_error_string(tar->parser))) {
      return parser_failed(tar);
    }
    tar->parser_gave_up = 1;
    return MocoTarStatusOk;
  }
  member->name = archive_entry_pathname(entry);
  member->size = archive_entry_size(entry);
  member->offset = tar->parser_start + archive_filter_bytes(tar->parser, 0);
  member->kind = kind_of(tar, entry, member);
  tar->parser_gave_up = member->kind == MocoTarKindBadSize;
  if (member->kind != MocoTarKindFile || member->size == 0) return MocoTarStatusOk;
  return look_at_data(tar, member);
}

MocoTarStatus moco_tar_next(MocoTar *tar, MocoTarMember *member) { return settle(tar, next_member(tar, member)); }

MocoTarStatus moco_tar_read(MocoTar *tar, void *out, size_t count) {
  uint8_t *to = out;
  while (count > 0) {
    if (tar->data_count == 0) {
      const int64_t expected = tar->data_offset;
      const MocoTarStatus status = read_block(tar);
      if (status != MocoTarStatusOk) return settle(tar, status);
      if (tar->data_offset != expected) return moco_tar_fail(tar, MocoTarStatusDamaged, "a member has holes");
    }
    const size_t step = count < tar->data_count ? count : tar->data_count;
    memcpy(to, tar->data, step);
    to += step;
    count -= step;
    tar->data += step;
    tar->data_count -= step;
    tar->data_offset += (int64_t)step;
  }
  return MocoTarStatusOk;
}
