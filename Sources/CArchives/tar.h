#pragma once

#include <archive.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "ca_tar.h"
#include "command.h"

// Bytes take two steps: `packed` blocks come from the file or command and go through `unpacker` (libarchive's
// raw format with a filter) if they are packed; `block`, a piece of the plain archive, goes to `parser`
// (libarchive's tar format). The last block is kept, so that a parser that gave up can be followed by a new
// one.
struct ca_tar {
  int input;
  ca_command command;
  int64_t file_size;   // -1 for a command's output
  int64_t input_left;  // of the part of a file that is the archive
  int64_t limit;
  int patience;  // seconds; 0 for no limit
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

  ca_tar_status failure;
  char message[400];
  char errors[600];  // the end of what the command wrote to standard error
  size_t errors_count;
};

enum { record = 512 };

// The first failure stays. Returns it.
ca_tar_status ca_tar_fail(ca_tar *tar, ca_tar_status status, const char *text);

// Reads what the command has written to standard error, without waiting.
void ca_tar_keep_errors(ca_tar *tar);

// Fills `out`, of a block, unless the input ends; -1 for a failure. Full blocks keep headers in one piece.
ssize_t ca_tar_read_input(ca_tar *tar, uint8_t *out);

// Fetches the next block of the plain archive; 0 at its end and for a failure.
int ca_tar_next_block(ca_tar *tar);

// Puts a filter of libarchive between the input, whose first block is there, and the plain archive.
ca_tar_status ca_tar_open_unpacker(ca_tar *tar, int (*add_filter)(struct archive *));

// libarchive's callbacks for the parser.
la_ssize_t ca_tar_give_block(struct archive *parser, void *client, const void **out);
la_int64_t ca_tar_skip_bytes(struct archive *parser, void *client, la_int64_t wanted);
