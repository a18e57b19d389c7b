"""A rank computes with as many threads as the cores that its launcher gave it."""

import os
import subprocess

import launchers
from rows import Outcome, coded, joined, quoted, row

STEPS = 10

# A machine of 16 cores, as the C library and cgroups 1 count them. The affinity mask stays as it is.
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
CPUSET = "/sys/fs/cgroup/cpuset/cpuset.cpus"
FREE = ["env", "-u", "OMP_NUM_THREADS"]  # the other rows have one thread a rank


def on_sixteen(site):
    """The words before a program that shall find 16 cores."""
    library, cpus = site.work / "sixteen.so", site.work / "cpus"
    if not library.exists():
        library.with_suffix(".c").write_text(SIXTEEN)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, library.with_suffix(".c"), "-ldl"], check=True)
        cpus.write_text("0-15\n")
    script = f'! [ -e {CPUSET} ] || mount --bind {cpus} {CPUSET}; LD_PRELOAD={library} exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


def bound_cores(launch):
    """The number of cores that the launcher gives to a process."""
    done = subprocess.run([*map(str, launch.before), *FREE, "nproc"], capture_output=True, text=True,
                          env=os.environ | launch.variables, timeout=60)
    return max(int(line) for line in done.stdout.split())


def threads(site, launch, sharing=1, sixteen=False):
    """`sharing` is the number of ranks on the same cores."""
    cores = bound_cores(launch)
    before = [*launch.before, *FREE, *(on_sixteen(site) if sixteen else [])]
    run = site.start(launchers.Launch(before, launch.after, launch.variables), "--steps", STEPS)
    started = run.reaches(1)
    ranks = list(run.folder.ranks(site.moco).values()) or run.folder.processes()
    every = max((count_threads(process) for process in ranks), default=0)
    code = run.end(200)
    run.kill()
    if code != 0 or not started:
        return Outcome(joined(coded(code), quoted(run.line("moco:"))), False)
    host = run.folder.events("start")[-1]["host"]
    wanted = max(1, cores // sharing)
    # Besides those and as many for decoding, the main thread and those that wait for other ranks.
    is_wanted = host["threads"] == wanted and every <= 2 * wanted + 6
    text = f"{host['threads']} computing on {cores} {'core' if cores == 1 else 'cores'}, {every} threads in all"
    return Outcome(joined(text, f"log: {host['cores']} cores"), is_wanted)


def count_threads(process):
    try:
        return len(os.listdir(f"/proc/{process}/task"))
    except OSError:
        return 0


AS_MANY = "one computing thread a core, and not many others"
taskset = launchers.Launch(["taskset", "-c", 0])
for name, launch, sharing in [
    ("srun-c1", launchers.srun("-n", 1, "-c", 1), 1),
    ("srun-c2", launchers.srun("-n", 1, "-c", 2), 1),
    ("srun-2-c1", launchers.srun("-n", 2, "-c", 1), 1),
    ("mpirun-bound", launchers.mpirun(2, "--bind-to", "core"), 1),
    ("mpirun-alone", launchers.mpirun(1), 1),
    ("mpiexec", launchers.mpiexec(2), 2),
    ("taskset", taskset, 1),
    ("taskset-nproc", launchers.Launch(taskset.before, ["--nproc", 2]), 2),
]:
    row("cores", name, launch, AS_MANY, launch, sharing)(threads)
    if name in ("srun-2-c1", "mpirun-bound", "taskset", "taskset-nproc"):
        row("cores", f"{name}-of-16", f"{launch}, on “16 cores”", AS_MANY, launch, sharing, sixteen=True)(threads)
