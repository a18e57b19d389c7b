"""A rank computes with as many threads as the cores that its launcher gave it."""

import os
import subprocess

import launchers
from rows import Outcome, joined, quoted, row

STEPS = 10

# A machine of 16 cores, as the C library counts them; the kernel's affinity mask stays the real one.
SIXTEEN = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int get_nprocs(void) { return 16; }
int get_nprocs_conf(void) { return 16; }
long sysconf(int name) {
  if (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF) return 16;
  return ((long (*)(int))dlsym(RTLD_NEXT, "sysconf"))(name);
}
"""


def bound_cores(site, launch):
    """The number of cores that the launcher gives to a process."""
    done = subprocess.run(launch.command(["nproc"])[: len(launch.before) + 1], capture_output=True, text=True,
                          env=os.environ | launch.variables, timeout=60)
    return max(int(line) for line in done.stdout.split())


def preload(site):
    library = site.work / "sixteen.so"
    if not library.exists():
        source = library.with_suffix(".c")
        source.write_text(SIXTEEN)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


def threads(site, launch, sharing=1, sixteen=False):
    """`sharing` is the number of ranks on the same cores."""
    cores = bound_cores(site, launch)
    before = [*launch.before, *(["env", f"LD_PRELOAD={preload(site)}"] if sixteen else [])]
    run = site.start(launchers.Launch(before, launch.after, launch.variables), "--steps", STEPS)
    started = run.reaches(1)
    ranks = list(run.folder.ranks(site.moco).values()) or run.folder.processes()
    every = max((count_threads(process) for process in ranks), default=0)
    code = run.end(200)
    run.kill()
    if code != 0 or not started:
        return Outcome(joined(f"exit {code}", quoted(run.line("moco:"))), False)
    host = run.folder.events("start")[-1]["host"]
    wanted = max(1, cores // sharing)
    text = f"{host['threads']} computing threads on {cores} {'core' if cores == 1 else 'cores'}, {every} in all"
    return Outcome(joined(text, f"log: {host['cores']} cores"), host["threads"] == wanted)


def count_threads(process):
    try:
        return len(os.listdir(f"/proc/{process}/task"))
    except OSError:
        return 0


ONE = "as many threads as cores"
taskset = launchers.Launch(["taskset", "-c", 0])
for name, launch, sharing in [
    ("srun-c1", launchers.srun("-n", 1, "-c", 1, "--hint=nomultithread"), 1),
    ("srun-c2", launchers.srun("-n", 1, "-c", 2), 1),
    ("srun-2-c1", launchers.srun("-n", 2, "-c", 1), 1),
    ("mpirun-bound", launchers.mpirun(2, "--bind-to", "core"), 1),
    ("mpirun-alone", launchers.mpirun(1), 1),
    ("mpiexec", launchers.mpiexec(2), 2),
    ("taskset", taskset, 1),
    ("taskset-nproc", launchers.Launch(taskset.before, ["--nproc", 2]), 2),
]:
    row("cores", name, launch, ONE, launch, sharing)(threads)
    if name in ("srun-2-c1", "mpirun-bound", "taskset", "taskset-nproc"):
        row("cores", f"{name}-of-16", f"{launch}, on “16 cores”", ONE, launch, sharing, sixteen=True)(threads)
