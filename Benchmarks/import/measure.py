"""The time of `moco import` of a 100 MB checkpoint beside that of `torch.load`, in turns: medians.

    python Benchmarks/import/measure.py PATH-OF-A-RELEASE-BUILD/moco [FOLDER]

torch.load is timed in this process, so without Python's start. moco is timed as a process, and its own start (`moco
--version`) stands beside it. FOLDER holds the files: a disk, or /dev/shm, where writing waits for nothing.
"""
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torchvision

TURNS = 15


def timed(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def main():
    moco, folder = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=folder) as folder:
        path, out = f"{folder}/x.pth", f"{folder}/x.safetensors"
        state = torchvision.models.resnet50().state_dict()
        torch.save({"arch": "resnet50", "state_dict": state}, path)

        def run(*arguments):
            subprocess.run([moco, *arguments], check=True, stdout=subprocess.DEVNULL)

        times = {"torch.load": [], "moco import": [], "moco --version": []}
        for _ in range(TURNS):
            times["torch.load"].append(timed(lambda: torch.load(path, map_location="cpu")))
            times["moco import"].append(timed(lambda: run("import", path, "--out", out)))
            times["moco --version"].append(timed(lambda: run("--version")))
        print(f"torch {torch.__version__}, {TURNS} turns")
        for name, seconds in times.items():
            print(f"{name:16}{1000 * statistics.median(seconds):8.1f} ms, least {1000 * min(seconds):.1f} ms")


main()
