#define _GNU_SOURCE
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

// No other process started meanwhile may inherit an end: the reader would then never see the other one close.
static int open_pipe(int ends[2]) {
#ifdef __linux__
  return pipe2(ends, O_CLOEXEC);
#else
  if (pipe(ends) != 0) return -1;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  return 0;
#endif
}

// A group of its own, so that a pipeline can be ended whole; signals as a program expects them at its start.
static void set_attributes(posix_spawnattr_t *attributes) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &all);
  posix_spawnattr_setpgroup(attributes, 0);
  posix_spawnattr_setflags(attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

int ca_command_start(const char *text, ca_command *command) {
  int output[2] = {-1, -1}, errors[2] = {-1, -1};
  if (open_pipe(output) != 0) return errno;
  if (open_pipe(errors) != 0) {
    const int error = errno;
    close(output[0]);
    close(output[1]);
    return error;
  }
  fcntl(errors[0], F_SETFL, O_NONBLOCK);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output[1], 1);
  posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 34)
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#endif
#endif
  posix_spawnattr_init(&attributes);
  set_attributes(&attributes);
  char *const arguments[] = {"sh", "-c", (char *)text, NULL};
  const int error = posix_spawn(&command->process, "/bin/sh", &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(output[1]);
  close(errors[1]);
  command->output = output[0];
  command->errors = errors[0];
  if (error != 0) {
    command->process = 0;
    ca_command_close(command);
  }
  return error;
}

int ca_command_poll(ca_command *command) {
  int status = 0;
  const pid_t found = waitpid(command->process, &status, WNOHANG);
  if (found == 0 || (found < 0 && errno == EINTR)) return -1;
  command->process = 0;
  return found < 0 ? 0 : status;  // waited for elsewhere: its status is lost
}

// Not yet waited for, so its number still belongs to it and its group.
static int has_ended(pid_t process) {
  siginfo_t information = {0};
  return waitid(P_PID, (id_t)process, &information, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         information.si_pid == process;
}

void ca_command_stop(ca_command *command) {
  if (command->process == 0) return;
  const struct timespec pause = {.tv_nsec = 2000000};
  kill(-command->process, SIGTERM);
  for (int patience = 0; patience < 250 && !has_ended(command->process); patience++) nanosleep(&pause, NULL);
  kill(-command->process, SIGKILL);
  while (waitpid(command->process, NULL, 0) < 0 && errno == EINTR) {
  }
  command->process = 0;
}

void ca_command_close(ca_command *command) {
  if (command->output >= 0) close(command->output);
  if (command->errors >= 0) close(command->errors);
  command->output = command->errors = -1;
}
