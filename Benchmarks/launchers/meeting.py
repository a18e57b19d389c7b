"""Runs that are on one machine, or in one job, at once: none takes another's ranks for its own."""

import launchers
from cluster import Job
from rows import Outcome, coded, joined, quoted, row
from runs import until

STEPS = 20
TWO = ("--timeout", 60)  # ranks that never meet shall not keep the table waiting
FOUR = (*TWO, "--bn-splits", 4)  # each of four ranks has 8 images


def scored(site, folders, seeds, steps, codes, lines):
    """Whether the runs of different seeds are equal to clean ones."""
    files = [folder.files(steps) for folder in folders]
    made = [None not in three for three in files]
    right = [three == site.clean(steps, seed, 2, *TWO) for three, seed in zip(files, seeds, strict=True)]
    wrong = made.count(True) - right.count(True)
    text = joined(f"{sum(right)} of {len(right)} equal to a clean run",
                  f"{wrong} finished with WRONG weights" if wrong else "",
                  f"{made.count(False)} failed" if not all(made) else "",
                  "exits " + ", ".join(map(str, codes)) if len(codes) <= 2 else "",
                  "" if all(right) else quoted(next((line for line in lines if line), "")))
    return Outcome(text, all(right) and not any(codes))


def at_once(site, count, launch, steps):
    seeds = range(1, count + 1)
    for seed in seeds:  # before, so that they do not take the machine's time from the runs
        site.clean(steps, seed, 2, *TWO)
    runs = [site.start(launch, "--steps", steps, "--seed", seed, *TWO) for seed in seeds]
    codes = [run.end(240) for run in runs]
    for run in runs:
        run.kill()
    return scored(site, [run.folder for run in runs], seeds, steps, codes, [run.line("moco:") for run in runs])


EACH = "each equal to a clean run of its seed"
for count, steps in ((2, STEPS), (16, 5)):
    row("meeting", f"mpirun-{count}", f"{count} × {launchers.mpirun(2)} at once, {count} seeds", EACH, count,
        launchers.mpirun(2), steps)(at_once)
row("meeting", "mpiexec-2", f"2 × {launchers.mpiexec(2)} at once, 2 seeds", EACH, 2,
    launchers.mpiexec(2), STEPS)(at_once)
row("meeting", "srun-2", f"2 × {launchers.srun('-n', 2)} as two jobs at once, 2 seeds", EACH, 2,
    launchers.srun("-n", 2), STEPS)(at_once)


@row("meeting", "two-steps", "two `srun --exact -N 1 -n 2 moco …` in one job, 2 seeds", EACH)
def two_steps(site):
    folders, seeds = [site.new_folder(), site.new_folder()], [1, 2]
    for seed in seeds:
        site.clean(STEPS, seed, 2, *TWO)
    parts = []
    for folder, seed, node in zip(folders, seeds, ("n1", "n2"), strict=True):
        parts.append(site.script(folder, "--steps", STEPS, "--seed", seed, *TWO,
                                 before=f"srun --exact -N 1 -w {node} -n 2", after="&"))
    job = Job("\n".join([*parts, "wait"]), site.work / "two-steps.txt", "-N", "2", "--ntasks-per-node", "2")
    codes = [job.end(90)]
    lines = [line for line in job.output.splitlines() if line.startswith("moco:")]
    return scored(site, folders, seeds, STEPS, codes, lines)


def inside_slurm(site, launch):
    clean, folder = site.clean(STEPS, 1, 4, *FOUR), site.new_folder()
    before = " ".join([*(f"{name}={value}" for name, value in launch.variables.items()), *map(str, launch.before)])
    job = Job(site.script(folder, "--steps", STEPS, *FOUR, before=before),
              site.work / f"inside-{launch.before[0]}.txt", "-N", "2", "--ntasks-per-node", "2")
    code = job.end(180)
    same = code == 0 and folder.files(STEPS) == clean
    starts = folder.events("start")
    line = next((line for line in job.output.splitlines() if "moco:" in line), "")
    ranks = [f"{event['ranks']} ranks" for event in starts]
    return Outcome(joined(coded(code), *ranks, "same bits" if same else quoted(line) or "other weights"), same)


for launch in (launchers.mpirun(4), launchers.mpiexec(4)):
    row("meeting", f"{launch.before[0].split('.')[0]}-in-slurm", f"sbatch -N 2 -n 4: {launch}",
        "the weights of `--nproc 4`", launch)(inside_slurm)


@row("meeting", "other-configuration", "SLURM_PROCID=0 … moco --seed 2 and SLURM_PROCID=1 … moco --seed 1 --lr 0.5",
     "both refuse")
def other_configuration(site):
    runs = []
    for number, options in enumerate([("--seed", 2), ("--seed", 1, "--lr", 0.5)]):
        variables = {"SLURM_PROCID": str(number), "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost",
                     "SLURM_JOB_ID": "77", "SLURM_LOCALID": str(number), "SLURM_STEP_TASKS_PER_NODE": "2"}
        runs.append(site.start(launchers.Launch([], variables=variables), "--steps", 200, *TWO, *options))
    until(lambda: all(run.process.poll() is not None for run in runs), 90)
    codes = [run.end(0.1) for run in runs]
    lines = [run.line("moco:") for run in runs]
    done = [run for run in runs if run.line("Done")]
    for run in runs:
        run.kill()
    return Outcome(joined(*map(coded, codes), "“Done”" if done else "", quoted(next(filter(None, lines), ""))),
                   not done and all(codes) and any(lines))
