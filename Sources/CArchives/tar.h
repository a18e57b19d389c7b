#pragma once

#include <archive.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "tar_reader.h"
#include "command.h"

// Bytes take two steps: `packed` blocks come from the file or command and go through `unpacker` (libarchive's raw
// format with a filter) if they are packed; `block`, a piece of the plain archive, goes to `parser` (libarchive's tar
// format). The last block is kept, so that a parser that gave up can be followed by a new one.
struct MocoTar {
  int input;
  MocoCommand command;
  int64_t file_size;  // -1 for a command's output
  int64_t limit;
  atomic_int cancelled;
  int input_ended;

  struct archive *unpacker;
  uint8_t *packed;
  size_t packed_count;  // of a block that the unpacker has not had yet

  struct archive *parser;
  int64_t parser_start;
  size_t block_bytes;
  uint8_t *block;
  int64_t block_start;
  size_t block_count;
  size_t block_given;  // the parser has had these
  int parser_gave_up;

  const uint8_t *data;  // of the current member, not yet taken
  size_t data_count;
  int64_t data_offset;

  MocoTarStatus failure;
  char message[400];
  char errors[600];  // the end of what the command wrote to standard error
  size_t errors_count;
};

enum { record = 512 };

// The first failure stays. Returns it.
MocoTarStatus moco_tar_fail(MocoTar *tar, MocoTarStatus status, const char *text);

// Reads what the command has written to standard error, without waiting.
void moco_tar_keep_errors(MocoTar *tar);

// Fills `out`, of a block, unless the input ends; -1 for a failure. Full blocks keep headers in one piece.
ssize_t moco_tar_read_input(MocoTar *tar, uint8_t *out);

// Fetches the next block of the plain archive; 0 at its end and for a failure.
int moco_tar_next_block(MocoTar *tar);

// Puts a filter of libarchive between the input, whose first block is there, and the plain archive.
MocoTarStatus moco_tar_open_unpacker(MocoTar *tar, int (*add_filter)(struct archive *));

// libarchive's callbacks for the parser.
la_ssize_t moco_tar_give_block(struct archive *parser, void *client, const void **out);
la_int64_t moco_tar_skip_bytes(struct archive *parser, void *client, la_int64_t wanted);
