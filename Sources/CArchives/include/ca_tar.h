// Tar archives, plain or packed by gzip or Zstandard, from a file or a command's output, by libarchive.
//
// Only reading, only in sequence, and nothing is ever written to a disk. A reader belongs to one thread;
// another may call ca_tar_cancel while it lives. Every function returns a status and never calls back.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ca_enum.h"

typedef enum CA_CLOSED ca_tar_status {
  CA_TAR_OK CA_CASE(ok) = 0,
  CA_TAR_END CA_CASE(end),                // no further member
  CA_TAR_UNREADABLE CA_CASE(unreadable),  // the system refused to open or to read
  CA_TAR_DAMAGED CA_CASE(damaged),        // not an archive, or one that ends too early or contradicts itself
  CA_TAR_COMMAND_FAILED CA_CASE(commandFailed),  // the command ended with another status than 0
  CA_TAR_CANCELLED CA_CASE(cancelled),
  CA_TAR_OUT_OF_MEMORY CA_CASE(outOfMemory),
} ca_tar_status;

// The kind of a member. Only files can be read; all others are passed over.
typedef enum CA_CLOSED ca_tar_kind {
  CA_TAR_FILE CA_CASE(file) = 0,
  CA_TAR_FOLDER CA_CASE(folder),
  CA_TAR_LINK CA_CASE(link),      // symbolic or hard
  CA_TAR_DEVICE CA_CASE(device),  // devices, pipes, sockets
  CA_TAR_SPARSE CA_CASE(sparse),
  CA_TAR_TOO_LARGE CA_CASE(tooLarge),  // over the caller's limit
  CA_TAR_BAD_SIZE CA_CASE(badSize),    // negative, or beyond what an archive can hold
} ca_tar_kind;

typedef struct ca_tar_member {
  ca_tar_kind kind;
  const char *name;  // NULL if it has none; valid until the next call
  int64_t size;
  int64_t offset;  // where its bytes begin in the unpacked archive
} ca_tar_member;

typedef struct ca_tar ca_tar;

// Opens a regular file, or starts `sh -c command` and reads its standard output. `block_bytes`, a multiple of
// 512, is read at a time, first when a member is asked for. `limit` is the largest file that will be read.
// The reader is made after every status but CA_TAR_OUT_OF_MEMORY: ca_tar_message needs it.
ca_tar_status ca_tar_open_file(const char *path, size_t block_bytes, int64_t limit, ca_tar **tar);
// The same for an archive that is a part of a file, as in a tar of tars: `count` bytes from `offset` on.
// Offsets of its members count from there.
ca_tar_status ca_tar_open_part(const char *path, int64_t offset, int64_t count, size_t block_bytes,
                               int64_t limit, ca_tar **tar);
ca_tar_status ca_tar_open_command(const char *command, size_t block_bytes, int64_t limit, ca_tar **tar);

// From now on a command that prints nothing for so many seconds, while its output is waited for, is
// CA_TAR_UNREADABLE.
void ca_tar_set_patience(ca_tar *tar, int seconds);

// Whether the archive is a file and not packed, so that `offset` is one in the file.
int ca_tar_is_plain_file(const ca_tar *tar);

// The next member. At the end a command's output is read to its end, and its exit status decides between
// CA_TAR_END and CA_TAR_COMMAND_FAILED.
ca_tar_status ca_tar_next(ca_tar *tar, ca_tar_member *member);

// The next `count` bytes of the member; more than it has is CA_TAR_DAMAGED.
ca_tar_status ca_tar_read(ca_tar *tar, void *out, size_t count);

// Makes the reader's thread return CA_TAR_CANCELLED soon, even while it waits. Call it from any thread.
void ca_tar_cancel(ca_tar *tar);

// The system's, libarchive's or the command's message about the failure.
const char *ca_tar_message(const ca_tar *tar);

// Ends the command if it still runs.
void ca_tar_free(ca_tar *tar);
