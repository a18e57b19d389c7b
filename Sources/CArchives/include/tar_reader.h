// Tar archives, plain or packed by gzip or Zstandard, from a file or a command's output, by libarchive.
//
// Only reading, only in sequence, and nothing is ever written to a disk. A reader belongs to one thread; another may
// call moco_tar_cancel while it lives. Every function returns a status and never calls back.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum __attribute__((enum_extensibility(closed))) MocoTarStatus {
  MocoTarStatusOk = 0,
  MocoTarStatusEnd,            // no further member
  MocoTarStatusUnreadable,     // the system refused to open or to read
  MocoTarStatusDamaged,        // not an archive, or one that ends too early or contradicts itself
  MocoTarStatusCommandFailed,  // the command ended with another status than 0
  MocoTarStatusCancelled,
  MocoTarStatusOutOfMemory,
} MocoTarStatus;

// What a member is. Only files can be read; all others are passed over.
typedef enum __attribute__((enum_extensibility(closed))) MocoTarKind {
  MocoTarKindFile = 0,
  MocoTarKindFolder,
  MocoTarKindLink,      // symbolic or hard
  MocoTarKindDevice,    // devices, pipes, sockets
  MocoTarKindSparse,
  MocoTarKindTooLarge,  // over the caller's limit
  MocoTarKindBadSize,   // negative, or beyond what an archive can hold
} MocoTarKind;

typedef struct MocoTarMember {
  MocoTarKind kind;
  const char *name;  // NULL if it has none; valid until the next call
  int64_t size;
  int64_t offset;    // where its bytes begin in the unpacked archive
} MocoTarMember;

typedef struct MocoTar MocoTar;

// Opens a regular file, or starts `sh -c command` and reads its standard output. `block_bytes`, a multiple of 512,
// is read at a time, first when a member is asked for. `limit` is the largest file that will be read. The reader is made in every case but
// OutOfMemory, so that it can say what went wrong.
MocoTarStatus moco_tar_open_file(const char *path, size_t block_bytes, int64_t limit, MocoTar **tar);
MocoTarStatus moco_tar_open_command(const char *command, size_t block_bytes, int64_t limit, MocoTar **tar);

// Whether the archive is a file and not packed, so that `offset` is one in the file.
int moco_tar_is_plain_file(const MocoTar *tar);

// The next member. At the end a command's output is read to its end, and its exit status decides between End and
// CommandFailed.
MocoTarStatus moco_tar_next(MocoTar *tar, MocoTarMember *member);

// The next `count` bytes of the member; asking for more than it has is Damaged.
MocoTarStatus moco_tar_read(MocoTar *tar, void *out, size_t count);

// Makes the reader's thread return with Cancelled soon, from whatever it waits for. From any thread.
void moco_tar_cancel(MocoTar *tar);

// What went wrong, in the system's, libarchive's or the command's words.
const char *moco_tar_message(const MocoTar *tar);

// Ends the command if it still runs.
void moco_tar_free(MocoTar *tar);
