#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tar.h"

// From a file or command to blocks of the plain archive.

ca_tar_status ca_tar_fail(ca_tar *tar, ca_tar_status status, const char *text) {
  if (tar->failure == CA_TAR_OK) {
    tar->failure = status;
    snprintf(tar->message, sizeof tar->message, "%s", text != NULL ? text : "");
  }
  return tar->failure;
}

void ca_tar_keep_errors(ca_tar *tar) {
  char text[sizeof tar->errors];
  ssize_t count;
  while ((count = read(tar->command.errors, text, sizeof text)) > 0) {
    size_t kept = sizeof tar->errors - (size_t)count;
    if (kept > tar->errors_count) kept = tar->errors_count;
    memmove(tar->errors, tar->errors + tar->errors_count - kept, kept);
    memcpy(tar->errors + kept, text, (size_t)count);
    tar->errors_count = kept + (size_t)count;
  }
}

static int64_t seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec;
}

// Waits for output, reads the errors meanwhile, and looks up now and then whether all this is still wanted.
// Returns 0 if it is not, or if nothing came for too long.
static int wait_for_output(ca_tar *tar) {
  const int64_t start = seconds_now();
  for (;;) {
    if (tar->patience > 0 && seconds_now() - start > tar->patience) {
      char text[64];
      snprintf(text, sizeof text, "the command printed nothing for %d s", tar->patience);
      ca_tar_fail(tar, CA_TAR_UNREADABLE, text);
      return 0;
    }
    struct pollfd ends[2] = {{.fd = tar->command.output, .events = POLLIN},
                             {.fd = tar->command.errors, .events = POLLIN}};
    if (atomic_load(&tar->cancelled)) return 0;
    if (poll(ends, 2, 20) < 0 && errno != EINTR) return 0;
    if (ends[1].revents != 0) ca_tar_keep_errors(tar);
    if (ends[0].revents != 0) return 1;
    // Closed errors would make every poll return at once.
    if (ends[1].revents & POLLHUP && !(ends[1].revents & POLLIN)) {
      close(tar->command.errors);
      tar->command.errors = -1;
    }
  }
}

ssize_t ca_tar_read_input(ca_tar *tar, uint8_t *out) {
  size_t filled = 0;
  while (filled < tar->block_bytes && !tar->input_ended) {
    if (atomic_load(&tar->cancelled) || (tar->command.process != 0 && !wait_for_output(tar))) {
      ca_tar_fail(tar, CA_TAR_CANCELLED, "cancelled");
      return -1;
    }
    size_t wanted = tar->block_bytes - filled;
    if ((int64_t)wanted > tar->input_left) wanted = (size_t)tar->input_left;
    const ssize_t step = wanted > 0 ? read(tar->input, out + filled, wanted) : 0;
    if (step > 0) {
      filled += (size_t)step;
      tar->input_left -= step;
    } else if (step == 0) {
      tar->input_ended = 1;
    } else if (errno != EINTR) {
      ca_tar_fail(tar, CA_TAR_UNREADABLE, strerror(errno));
      return -1;
    }
  }
  return (ssize_t)filled;
}

static la_ssize_t give_packed(struct archive *unpacker, void *client, const void **out) {
  ca_tar *tar = client;
  ssize_t count = (ssize_t)tar->packed_count;
  if (count == 0) count = ca_tar_read_input(tar, tar->packed);
  tar->packed_count = 0;
  *out = tar->packed;
  if (count < 0) archive_set_error(unpacker, EIO, "%s", tar->message);
  return count < 0 ? ARCHIVE_FATAL : count;
}

static ssize_t unpack(ca_tar *tar) {
  size_t filled = 0;
  while (filled < tar->block_bytes) {
    const la_ssize_t step = archive_read_data(tar->unpacker, tar->block + filled, tar->block_bytes - filled);
    if (step == 0) break;
    if (step == ARCHIVE_RETRY) continue;
    if (step < 0) {
      ca_tar_fail(tar, CA_TAR_DAMAGED, archive_error_string(tar->unpacker));
      return -1;
    }
    filled += (size_t)step;
  }
  return (ssize_t)filled;
}

int ca_tar_next_block(ca_tar *tar) {
  const int64_t start = tar->block_start + (int64_t)tar->block_count;
  const ssize_t count = tar->unpacker != NULL ? unpack(tar) : ca_tar_read_input(tar, tar->block);
  if (count < 0) return 0;
  tar->block_start = start;
  tar->block_count = (size_t)count;
  tar->block_given = 0;
  return count > 0;
}

la_ssize_t ca_tar_give_block(struct archive *parser, void *client, const void **out) {
  ca_tar *tar = client;
  if (tar->block_given == tar->block_count && !ca_tar_next_block(tar)) {
    if (tar->failure == CA_TAR_OK) return 0;
    archive_set_error(parser, EIO, "%s", tar->message);
    return ARCHIVE_FATAL;
  }
  const size_t count = tar->block_count - tar->block_given;
  *out = tar->block + tar->block_given;
  tar->block_given = tar->block_count;
  return (la_ssize_t)count;
}

// Only in a plain file, only by whole records, and never beyond its end: there the parser must see that it is
// cut.
la_int64_t ca_tar_skip_bytes(struct archive *parser, void *client, la_int64_t wanted) {
  (void)parser;
  ca_tar *tar = client;
  if (!ca_tar_is_plain_file(tar) || tar->block_given < tar->block_count) return 0;
  const int64_t here = tar->block_start + (int64_t)tar->block_count;
  int64_t step = tar->file_size - here;
  if (step > wanted) step = wanted;
  step -= step % record;
  if (step <= 0 || lseek(tar->input, step, SEEK_CUR) < 0) return 0;
  tar->input_left -= step;
  tar->block_start = here + step;
  tar->block_count = tar->block_given = 0;
  return step;
}

ca_tar_status ca_tar_open_unpacker(ca_tar *tar, int (*add_filter)(struct archive *)) {
  struct archive_entry *entry;
  tar->unpacker = archive_read_new();
  tar->packed = tar->block;
  tar->packed_count = tar->block_count;
  tar->block = malloc(tar->block_bytes);
  tar->block_count = 0;
  if (tar->unpacker == NULL || tar->block == NULL) {
    return ca_tar_fail(tar, CA_TAR_OUT_OF_MEMORY, "out of memory");
  }
  add_filter(tar->unpacker);
  archive_read_support_format_raw(tar->unpacker);
  if (archive_read_open(tar->unpacker, tar, NULL, give_packed, NULL) != ARCHIVE_OK ||
      archive_read_next_header(tar->unpacker, &entry) != ARCHIVE_OK) {
    return ca_tar_fail(tar, CA_TAR_DAMAGED, archive_error_string(tar->unpacker));
  }
  return CA_TAR_OK;
}

int ca_tar_is_plain_file(const ca_tar *tar) { return tar->file_size >= 0 && tar->unpacker == NULL; }
