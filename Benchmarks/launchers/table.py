"""Runs the program under Slurm, Open MPI, MPICH, torchrun and its own --nproc, and prints a Markdown table.

The exit code is 1 if any row is not as wanted. The table is written as the rows are done.
"""

import argparse
import fnmatch
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

import same, meeting, stopping, failing, cores  # noqa: E401, F401, I001 - each adds its rows, in this order
import rows
from cluster import Cluster, said
from runs import Site


def make_photos(folder, count=300):
    """Images of a few coarse colours, which are the same on every machine up to the JPEG library."""
    folder.mkdir(parents=True)
    source = random.Random(0)
    for number in range(count):
        Image.frombytes("RGB", (5, 5), source.randbytes(75)).resize((40, 40)).save(folder / f"{number:03}.jpg")


def versions():
    def number(*command):
        found = re.search(r"\d+\.\d+[\w.]*", said(*command))
        return found.group() if found else "?"

    return (f"Slurm {number('slurmctld', '-V')} (one machine, two nodes), "
            f"Open MPI {number('mpirun.openmpi', '--version')}, MPICH {number('mpiexec.mpich', '--version')}, "
            f"torchrun of torch {torch.__version__.split('+')[0]}")


def host():
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="Benchmarks/launchers/run")
    parser.add_argument("rows", nargs="*", help="only these rows, such as same/srun or 'stopping/*'")
    parser.add_argument("--moco", type=Path, required=True, help="the program; run gives a release build")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and leave")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the runs")
    options = parser.parse_args()
    chosen = [row for row in rows.ALL
              if not options.rows or any(fnmatch.fnmatch(row.full_name, pattern) for pattern in options.rows)]
    if options.list:
        return print("\n".join(row.full_name for row in chosen))
    if not chosen:
        parser.error("no row has such a name; --list prints them")

    os.environ["OMP_NUM_THREADS"] = "1"  # another number of threads gives other last bits
    work = Path(tempfile.mkdtemp(prefix="launchers-"))
    work.chmod(0o755)
    cluster = Cluster(work / "slurm")
    unwanted, begun = [], time.monotonic()
    try:
        make_photos(work / "photos")
        cluster.start()
        site = Site(options.moco.resolve(), sys.executable, work)
        print(f"{versions()}; {host()}; {said(str(site.moco), '--version')}\n")
        print("| row | command | came out | wanted | s | |\n|---|---|---|---|---|---|", flush=True)
        for row in chosen:
            started = time.monotonic()
            try:
                outcome = row.body(site)
            except (OSError, RuntimeError, subprocess.SubprocessError, ValueError) as error:
                outcome = rows.Outcome(f"the row itself failed: {error}".replace("\n", " "), False)
            seconds = time.monotonic() - started
            if not outcome.is_wanted:
                unwanted.append(row.full_name)
            print(f"| {row.full_name} | {row.command} | {outcome.text} | {row.wanted} | {seconds:.0f} | "
                  f"{'as wanted' if outcome.is_wanted else '**NOT**'} |", flush=True)
    finally:
        cluster.stop()
        if options.keep:
            print(f"The runs are in {work}.", file=sys.stderr)
        else:
            shutil.rmtree(work, ignore_errors=True)
    print(f"\n{len(chosen) - len(unwanted)} of {len(chosen)} rows as wanted, {time.monotonic() - begun:.0f} s.")
    sys.exit(1 if unwanted else 0)


if __name__ == "__main__":
    main()
