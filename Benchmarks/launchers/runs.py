"""A run of the program under a launcher, and the files that it leaves."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import launchers
from cluster import job_named, said

# Short steps, so that a run is in mid-run within seconds. A checkpoint at no multiple of SAVE_EVERY was written because
# the run was asked to save.
SAVE_EVERY = 25
OPTIONS = ["--recipe", "cifar", "--arch", "resnet8", "--batch-size", "32", "--moco-k", "64", "--device", "cpu",
           "--epochs", "2000", "--save-every", SAVE_EVERY, "--keep", "1000", "--log-every", "1"]
FILES = ("model.safetensors", "optimizer.safetensors", "state.json")


def until(condition, seconds):
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@dataclass
class Folder:
    """A run's folder."""

    path: Path

    def events(self, kind):
        try:
            lines = (self.path / "log.jsonl").read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        events = [json.loads(line) for line in lines if line.endswith(b"}\n")]
        return [event for event in events if event["event"] == kind]

    @property
    def step(self):
        return max((event["step"] for event in self.events("step")), default=0)

    @property
    def saved(self):
        """The newest checkpoint's step; 0 if there is none."""
        try:
            return int((self.path / "checkpoints" / "latest").read_text().split("-")[-1])
        except FileNotFoundError:
            return 0

    @property
    def saved_steps(self):
        return sorted(int(path.name.split("-")[-1]) for path in self.path.glob("checkpoints/step-*"))

    def files(self, step):
        folder = self.path / "checkpoints" / f"step-{step}"
        return [(folder / name).read_bytes() if (folder / name).exists() else None for name in FILES]

    def stopped_at(self):
        """The step at which the run was stopped and saved; None if it lost its last steps."""
        ends = self.events("end")
        is_saved = ends and ends[-1]["status"] == "stopped" and ends[-1]["step"] == self.saved
        return self.saved if is_saved else None

    def processes(self):
        """Every process with this folder in its command."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if f"{self.path}\0" in words or f"{self.path} " in words or words.rstrip("\0").endswith(str(self.path)):
                    found.append(int(entry.name))
        return found

    def ranks(self, moco):
        """The processes that are ranks, by number."""
        found = {}
        for process in self.processes():
            try:
                program = os.readlink(f"/proc/{process}/exe")
                lines = Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            variables = dict(line.split("=", 1) for line in lines if "=" in line)
            names = [name for name in launchers.RANK_VARIABLES if name in variables]
            if program == str(moco) and names:
                found[int(variables[names[0]])] = process
        return found


@dataclass
class Run:
    """A started launcher."""

    folder: Folder
    launch: launchers.Launch
    process: subprocess.Popen
    output_path: Path
    name: str
    begun: float = field(default_factory=time.monotonic)

    @property
    def output(self):
        return self.output_path.read_text(errors="replace")

    def reaches(self, step, seconds=60):
        until(lambda: self.folder.step >= step or self.process.poll() is not None, seconds)
        return self.folder.step >= step

    def signal(self, *numbers, pause=0.005):
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(pause)

    def end(self, seconds):
        """The exit code in the shell's way; None if it did not end in time."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return 128 - code if code < 0 else code

    @property
    def job(self):
        return job_named(self.name)

    def kill(self):
        """Ends all that is left of it."""
        if self.launch.is_slurm:
            said("scancel", "--signal=KILL", "--full", "--name", self.name)
        for process in self.folder.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.end(15)

    def line(self, *words):
        """The first line of the output with all of the words."""
        return next((line.strip() for line in self.output.splitlines() if all(word in line for word in words)), "")


class Site:
    """The program, the images, and a folder for the runs."""

    def __init__(self, moco, python, work):
        self.moco, self.python, self.work = moco, python, work
        self.photos = work / "photos"
        self.count = 0
        self.clean_runs = {}
        self.unbroken = None

    def words(self, folder, *options):
        """The program's command."""
        return [str(word) for word in (self.moco, "pretrain", self.photos, *OPTIONS, *options, "--out", folder.path)]

    def new_folder(self):
        self.count += 1
        return Folder(self.work / "runs" / str(self.count))

    def start(self, launch, *options, folder=None):
        """Starts a run, in a folder that may hold it already."""
        folder = folder or self.new_folder()
        self.count += 1
        name = f"moco-{self.count}"
        output = self.work / f"{self.count}.txt"
        with open(output, "wb") as file:
            process = subprocess.Popen(
                launch.command(self.words(folder, *options)), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                cwd=self.work, start_new_session=True,
                env=os.environ | launch.variables | {"SLURM_JOB_NAME": name})
        return Run(folder, launch, process, output, name)

    def script(self, folder, *options, before="", after=""):
        """The program's command for a batch script."""
        return " ".join([before, *(f"'{word}'" for word in self.words(folder, *options)), after]).strip()

    def clean(self, steps, seed=1, ranks=2, *options):
        """The three files of a run of --nproc alone on the machine."""
        key = (steps, seed, ranks, *options)
        if key not in self.clean_runs:
            run = self.start(launchers.nproc(ranks), "--steps", steps, "--seed", seed, *options)
            if run.end(300) != 0:
                raise RuntimeError(f"the run to compare with failed:\n{run.output}")
            self.clean_runs[key] = run.folder.files(steps)
        return self.clean_runs[key]

    def unbroken_files(self, step):
        """The files of an unbroken run at a multiple of SAVE_EVERY; it is made anew where it was too short."""
        if self.unbroken is None or self.unbroken.saved < step:
            run = self.start(launchers.nproc(2))
            until(lambda: run.folder.saved >= max(100, step + 50) or run.process.poll() is not None, 600)
            run.kill()
            self.unbroken = run.folder
        return self.unbroken.files(step)
