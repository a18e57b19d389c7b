"""Every launcher trains the same model, bit for bit."""

import launchers
from cluster import Job
from rows import Outcome, coded, joined, quoted, row

STEPS = 20
SAME = "the weights of `--nproc 2`"


def trained(site, launch):
    clean = site.clean(STEPS)
    run = site.start(launch, "--steps", STEPS)
    return compared(run.folder, clean, run.end(120), run.line("moco:") or run.line("rror"))


def compared(folder, clean, code, line):
    files = folder.files(STEPS)
    same = code == 0 and files == clean
    ranks = [f"{event['ranks']} {'rank' if event['ranks'] == 1 else 'ranks'}" for event in folder.events("start")]
    result = "same bits" if same else "no weights" if files[0] is None else "other weights"
    return Outcome(joined(coded(code), result, *ranks, "" if same else quoted(line)), same)


for name, launch in {
    "nproc": launchers.nproc(2),
    "srun": launchers.srun("-n", 2),
    "srun-two-nodes": launchers.srun("-N", 2, "-n", 2),
    "mpirun": launchers.mpirun(2),
    "mpiexec": launchers.mpiexec(2),
    "torchrun": launchers.torchrun(2),
}.items():
    row("same", name, launch, SAME, launch)(trained)


@row("same", "sbatch-nproc", "sbatch -n 1 -c 2: moco … --nproc 2", SAME)
def sbatch_nproc(site):
    clean, folder = site.clean(STEPS), site.new_folder()
    script = site.script(folder, "--steps", STEPS, after="--nproc 2")
    job = Job(script, site.work / "sbatch-nproc.txt", "-n", "1", "-c", "2")
    return compared(folder, clean, job.end(120), job.output[-200:])


@row("same", "sbatch-without-srun", "sbatch -n 2: moco …", "says that srun is missing")
def sbatch_without_srun(site):
    folder = site.new_folder()
    job = Job(site.script(folder, "--steps", STEPS), site.work / "sbatch-without-srun.txt", "-n", "2")
    code = job.end(120)
    line = next((line for line in job.output.splitlines() if "srun" in line), "")
    ranks = [f"{event['ranks']} rank trains" for event in folder.events("start")]
    return Outcome(joined(coded(code), *ranks, quoted(line) or "says nothing of it"), bool(line))


for name, launch in {
    "srun": launchers.srun("-n", 2),
    "mpirun": launchers.mpirun(2),
    "mpiexec": launchers.mpiexec(2),
}.items():

    @row("same", f"{name}-and-nproc", f"{launch} --nproc 2", "refused, in one line", launch)
    def launcher_and_nproc(site, launch):
        run = site.start(launch, "--steps", STEPS, "--nproc", 2)
        code = run.end(60)
        line = run.line("--nproc 2:")
        trained = bool(run.folder.events("start"))
        is_refused = bool(line and code and not trained)
        return Outcome(joined(coded(code), "trains" if trained else "", quoted(line)), is_refused)
