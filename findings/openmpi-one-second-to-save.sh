#!/usr/bin/env bash
# Open MPI 4.1.4 (Debian 12's openmpi-bin), seen 2026-11-28.
# A TERM to mpirun reaches the ranks as CONT, one second later TERM, and one second after that KILL: a rank has one
# second from its first notice to its end, even while its handler still works.
# A training run that saves a checkpoint on TERM (a time limit, a preempted machine) is killed in the middle of
# writing. torchrun and Slurm's scancel leave 30 seconds for the same.
# Cure: mpirun --mca odls_base_sigkill_timeout SECONDS, which makes both pauses that long; and write checkpoints to
# another name first.
set -euo pipefail

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun.openmpi --version | head -1
mpirun.openmpi --version | grep -q ' 4\.1\.4$' || { echo "this finding is about Open MPI 4.1.4"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/rank.py" <<'PY'
import os
import signal
import sys
import time

log = open(sys.argv[1], "w", buffering=1)
for number in signal.SIGCONT, signal.SIGINT:
    signal.signal(number, lambda number, _: print(time.time(), signal.Signals(number).name, file=log))


def save(number, _):
    """A checkpoint that takes three seconds to write."""
    print(time.time(), "SIGTERM", file=log)
    for _ in range(30):
        time.sleep(0.1)
        print(time.time(), "alive", file=log)
    print(time.time(), "saved", file=log)
    os._exit(0)


signal.signal(signal.SIGTERM, save)
print(time.time(), "ready", file=log)
time.sleep(30)
PY

# Runs one rank, sends TERM to mpirun and prints the events; the options of mpirun are the arguments.
events() {
  : >"$work/log"
  mpirun.openmpi -n 1 "$@" python3 "$work/rank.py" "$work/log" >"$work/out" 2>&1 &
  until grep -q ready "$work/log"; do sleep 0.1; done
  kill -TERM $!
  wait $! || true
  awk '/SIG/ { if (n++) printf " +%.1f s ", $1 - last; printf "%s", $2; last = $1 }
    { end = $1 } $2 == "saved" { saved = 1 }
    END { printf " +%.1f s %s\n", end - last, saved ? "saved" : "killed" }' "$work/log"
}

plain=$(events)
echo "default: $plain"
patient=$(events --mca odls_base_sigkill_timeout 5)
echo "odls_base_sigkill_timeout 5: $patient"
changed() { echo "the behaviour changed"; exit 1; }
[[ $plain =~ ^SIGCONT\ \+(0\.[6-9]|1\.[0-4])\ s\ SIGTERM\ \+(0\.[6-9]|1\.[0-4])\ s\ killed$ ]] || changed
[[ $patient =~ ^SIGCONT\ \+(4\.[5-9]|5\.[0-5])\ s\ SIGTERM\ \+(3\.[0-9])\ s\ saved$ ]] || changed
