#pragma once

#include <stddef.h>
#include <sys/types.h>

// A shell command whose output and errors are read here.
typedef struct ca_command {
  pid_t process;  // 0 when none runs
  int output;
  int errors;  // never blocks
} ca_command;

// 0, or the error number.
int ca_command_start(const char *text, ca_command *command);

// The wait status if the command has ended by itself, else -1. Not to be called again after that.
int ca_command_poll(ca_command *command);

// Ends it, first with a polite signal, and everything that it started in its process group.
void ca_command_stop(ca_command *command);

void ca_command_close(ca_command *command);
