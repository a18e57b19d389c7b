"""The launchers' commands."""

import sys
from dataclasses import dataclass, field

# The first of them that is set is a rank's number.
RANK_VARIABLES = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")


@dataclass
class Launch:
    """The words before the program and after it."""

    before: list
    after: list = field(default_factory=list)
    variables: dict = field(default_factory=dict)
    shown: str = ""

    @property
    def is_slurm(self):
        return self.before[:1] == ["srun"]

    def command(self, words):
        return [str(word) for word in (*self.before, *words, *self.after)]

    def __str__(self):
        return self.shown or " ".join(map(str, [*self.before, "moco …", *self.after]))


def nproc(ranks):
    return Launch([], ["--nproc", ranks])


def srun(*options):
    return Launch(["srun", *options])


def mpirun(ranks, *options):
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return Launch(["mpirun.openmpi", "-n", ranks, *options], variables=allowed)


def mpiexec(ranks, *options):
    return Launch(["mpiexec.mpich", "-n", ranks, *options])


def torchrun(ranks):
    before = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", ranks, "--no-python"]
    return Launch(before, shown=f"torchrun --nproc-per-node {ranks} --no-python moco …")
