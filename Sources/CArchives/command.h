#pragma once

#include <stddef.h>
#include <sys/types.h>

// A shell command whose output and errors are read here.
typedef struct MocoCommand {
  pid_t process;  // 0 when none runs
  int output;
  int errors;     // never blocks
} MocoCommand;

// 0, or the error number.
int moco_command_start(const char *text, MocoCommand *command);

// The wait status if the command has ended by itself, else -1. To be asked until it answers, then no more.
int moco_command_poll(MocoCommand *command);

// Ends it, first with a polite signal, and everything that it started in its process group.
void moco_command_stop(MocoCommand *command);

void moco_command_close(MocoCommand *command);
