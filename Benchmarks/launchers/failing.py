"""One rank, or the launcher itself, is killed: the run ends soon, and its output names the rank."""

import os
import signal
import time

import launchers
from rows import Outcome, coded, joined, quoted, row
from runs import until

STEP = 5
SOON = 10  # seconds


def rank_killed(site, launch, names=True):
    run = site.start(launch)
    if not run.reaches(STEP):
        run.kill()
        return Outcome(f"did not reach step {STEP}: {quoted(run.line('moco:') or run.line('rror'))}", False)
    rank = run.folder.ranks(site.moco).get(1)
    if rank is None:
        run.kill()
        return Outcome("there is no rank 1", False)
    begun = time.monotonic()
    os.kill(rank, signal.SIGKILL)
    code = run.end(60)
    until(lambda: not run.folder.processes(), 30)
    seconds = time.monotonic() - begun
    run.kill()
    line = run.line("moco:", "rank 1")
    text = joined(f"{coded(code)} after {seconds:.1f} s", quoted(line, 90) or "names no rank")
    return Outcome(text, bool(code) and seconds < SOON and bool(line or not names))


NAMED = f"ends within {SOON} s, not 0, names rank 1"
UNNAMED = f"ends within {SOON} s, not 0 (the launcher ends the rank that would name it)"
for name, launch in {"nproc": launchers.nproc(2), "srun": launchers.srun("-n", 2),
                     "torchrun": launchers.torchrun(2)}.items():
    row("failing", name, f"{launch}: KILL to rank 1", NAMED, launch)(rank_killed)
for name, launch in {"mpirun": launchers.mpirun(2), "mpiexec": launchers.mpiexec(2)}.items():
    row("failing", name, f"{launch}: KILL to rank 1", UNNAMED, launch, names=False)(rank_killed)


def launcher_killed(site, launch):
    run = site.start(launch)
    if not run.reaches(STEP):
        run.kill()
        return Outcome(f"did not reach step {STEP}: {quoted(run.line('moco:'))}", False)
    ranks = list(run.folder.ranks(site.moco).values())
    begun = time.monotonic()
    run.process.kill()
    is_over = until(lambda: not any(os.path.exists(f"/proc/{rank}/fd/0") for rank in ranks), 40)
    seconds = time.monotonic() - begun
    run.kill()
    text = f"all ranks ended after {seconds:.1f} s" if is_over else f"ranks still run after {seconds:.0f} s"
    return Outcome(joined(text, quoted(run.line("moco:"), 90)), is_over and seconds < SOON)


for name, launch in {"nproc": launchers.nproc(2), "torchrun": launchers.torchrun(2),
                     "mpiexec": launchers.mpiexec(2)}.items():
    row("failing", f"{name}-itself", f"{launch}: KILL to the launcher", f"all ranks end within {SOON} s",
        launch)(launcher_killed)
