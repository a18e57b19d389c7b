"""Runs that are stopped in mid-run, by a user or by Slurm, and continued: the end is that of an unbroken run."""

import signal

import launchers
from cluster import Job, said
from rows import Outcome, coded, joined, quoted, row
from runs import SAVE_EVERY, until

MID_RUN = 10
SAVED = "saved, and continued like an unbroken run"
USR1_STOPS = ("--on-usr1", "stop")


def continued(site, folder, launch):
    """Continues the run up to a checkpoint that an unbroken run has too: the outcome, and whether all is equal."""
    before = folder.saved
    target = (before // SAVE_EVERY + 1) * SAVE_EVERY
    run = site.start(launch, folder=folder)
    until(lambda: folder.saved >= target or run.process.poll() is not None, 120)
    run.kill()
    return compared(site, folder, before, target, run.line("moco:"))


def compared(site, folder, before, target, line=""):
    files = folder.files(target)
    if None in files:
        return f"not continued {quoted(line)}", False
    resumed = [event.get("resumed_from") for event in folder.events("start")][-1] or 0
    same = files == site.unbroken_files(target)
    ok = same and resumed == before
    how = f"continued after {resumed}" if resumed else "begun again"
    return f"{how}, {'the same' if same else 'OTHER'} files at {target}", ok


def ended(run, seconds):
    """How a stopped run ended, and whether it saved."""
    code = run.end(seconds)
    folder = run.folder
    until(lambda: not folder.processes(), 35)
    run.kill()
    at = folder.stopped_at()
    if at is None and any(step % SAVE_EVERY for step in folder.saved_steps):
        # mpirun kills two seconds after its first signal; a checkpoint of that moment is as good.
        at = folder.saved
    return joined(coded(code), saved_text(folder, at)), at is not None


def saved_text(folder, at):
    lost = folder.step - folder.saved
    if at is None:
        return f"{lost} steps LOST of {folder.step}"
    return f"saved after step {at}" + (f", {lost} steps later killed" if lost else "")


def stopped(site, launch, stop, options=(), code=None, resume=None, saves=True):
    """`stop` is called with the run; `code` is the wanted exit code, if it is the program's own."""
    run = site.start(launch, *options)
    if not run.reaches(MID_RUN, 110):
        return not_begun(run)
    stop(run)
    text, saved = ended(run, 100)
    after, same = continued(site, run.folder, resume or launch)
    is_wanted = same and (saved or not saves) and (code is None or text.startswith(f"exit {code};"))
    return Outcome(joined(text, after), is_wanted)


def not_begun(run):
    run.kill()
    return Outcome(f"did not reach step {MID_RUN}: {quoted(run.line('moco:') or run.line('rror'))}", False)


def sends(*numbers):
    return lambda run: run.signal(*numbers)


def scancels(*options, step=""):
    return lambda run: said("scancel", *options, run.job + step)


TERM, INT = signal.SIGTERM, signal.SIGINT
SRUN = launchers.srun("-n", 2)


@row("stopping", "time-limit", "srun -t 1 -n 2 moco …", SAVED + ", 143")
def time_limit(site):
    # The job sleeps first, so that the unbroken run need not last a minute. This row is the first because it needs the
    # longest one, which then serves them all.
    launch = launchers.srun("-t", 1, "-n", 2, "sh", "-c", 'sleep 45; exec "$@"', "sh")
    return stopped(site, launch, lambda run: None, code=143, resume=SRUN)


row("stopping", "nproc-term", f"{launchers.nproc(2)}: TERM", SAVED + ", 143", launchers.nproc(2), sends(TERM),
    code=143)(stopped)
row("stopping", "nproc-term-twice", f"{launchers.nproc(2)}: TERM, TERM after 5 ms", SAVED + ", 143",
    launchers.nproc(2), sends(TERM, TERM), code=143)(stopped)
row("stopping", "scancel", f"{SRUN}: scancel JOB", SAVED + ", 143", SRUN, scancels(), code=143)(stopped)
row("stopping", "scancel-term", f"{SRUN}: scancel --signal=TERM JOB", SAVED + ", 143", SRUN, scancels("--signal=TERM"),
    code=143)(stopped)
row("stopping", "scancel-step", f"{SRUN}: scancel JOB.0 (Slurm kills at once)", "continued from its last checkpoint",
    SRUN, scancels(step=".0"), saves=False)(stopped)
row("stopping", "srun-x-int", f"{launchers.srun('-X', '-n', 2)}: INT to srun", SAVED + ", 130",
    launchers.srun("-X", "-n", 2), sends(INT), code=130)(stopped)
for name, launch in {"mpirun": launchers.mpirun(2), "mpiexec": launchers.mpiexec(2),
                     "torchrun": launchers.torchrun(2)}.items():
    row("stopping", f"{name}-term", f"{launch}: TERM", SAVED, launch, sends(TERM))(stopped)
    row("stopping", f"{name}-int", f"{launch}: Ctrl-C", SAVED, launch, sends(INT))(stopped)


@row("stopping", "preempted", "sbatch -p low --requeue: srun moco …, then a job in partition high",
     "saved, started again by Slurm, like an unbroken run")
def preempted(site):
    folder = site.new_folder()
    low = Job(site.script(folder, before="srun"), site.work / "preempted.txt",
              "-p", "low", "-w", "n1", "-n", "2", "--requeue")
    until(lambda: folder.step >= MID_RUN, 60)
    high = Job("sleep 1", site.work / "high.txt", "-p", "high", "-w", "n1", "--exclusive")
    until(lambda: low.field("Restarts") == "1" and not folder.processes(), 60)
    at, saved = folder.stopped_at(), folder.saved
    text = saved_text(folder, at)
    high.end(60)
    target = (saved // SAVE_EVERY + 1) * SAVE_EVERY
    until(lambda: folder.saved >= target or low.state not in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED"), 150)
    said("scancel", "--signal=KILL", "--full", low.id)
    said("scancel", low.id)
    low.end(20)
    after, same = compared(site, folder, saved, target, low.output[-150:])
    return Outcome(joined(text, after), bool(at) and same)


def saves_and_goes_on(site, launch, stop):
    """A signal that asks for a checkpoint only."""
    run = site.start(launch)
    if not run.reaches(MID_RUN):
        return not_begun(run)
    stop(run)
    folder = run.folder

    def between():
        return [step for step in folder.saved_steps if step % SAVE_EVERY]

    if not until(lambda: between() or run.process.poll() is not None, 70) or not between():
        code = run.end(1)
        run.kill()
        return Outcome(joined(coded(code), "no checkpoint", quoted(run.line("signal"))), False)
    at = between()[0]
    target = (at // SAVE_EVERY + 1) * SAVE_EVERY
    until(lambda: folder.saved >= target or run.process.poll() is not None, 60)
    went_on = run.process.poll() is None
    run.kill()
    files = folder.files(target)
    same = None not in files and files == site.unbroken_files(target)
    return Outcome(joined(f"saved after step {at}", "goes on" if went_on else "ended",
                          f"{'the same' if same else 'OTHER'} files at {target}"), went_on and same)


GOES_ON, ENDS = "saves and goes on like an unbroken run", SAVED + ", 75"
row("stopping", "usr1-scancel", f"{SRUN}: scancel --signal=USR1 JOB", GOES_ON, SRUN,
    scancels("--signal=USR1"))(saves_and_goes_on)
row("stopping", "usr1-scancel-stop", f"{SRUN} --on-usr1 stop: scancel --signal=USR1 JOB", ENDS, SRUN,
    scancels("--signal=USR1"), USR1_STOPS, code=75)(stopped)
AHEAD = launchers.srun("-t", 1, "--signal=USR1@30", "-n", 2)
row("stopping", "usr1-ahead", AHEAD, GOES_ON, AHEAD, lambda run: None)(saves_and_goes_on)
row("stopping", "usr1-ahead-stop", f"{AHEAD} --on-usr1 stop", ENDS, AHEAD, lambda run: None, USR1_STOPS, code=75,
    resume=SRUN)(stopped)
for name, launch in {"nproc": launchers.nproc(2), "mpirun": launchers.mpirun(2)}.items():
    row("stopping", f"usr1-{name}", f"{launch}: USR1", GOES_ON, launch, sends(signal.SIGUSR1))(saves_and_goes_on)
