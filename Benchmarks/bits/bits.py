"""Trains twelve steps of three networks with other numbers of threads, beside a busy process, and broken off and gone
on with another number, and compares the checkpoints' bytes.

    python3 Benchmarks/bits/bits.py .build/release/moco PHOTOS [--case resnet18]

Prints a table, and exits with 1 if any checkpoint differs from that of one thread.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = {
    "resnet18": ["--recipe", "cifar", "--arch", "resnet18", "--batch-size", "32", "--moco-k", "256"],
    "resnet50": ["--recipe", "v2", "--image-size", "64", "--batch-size", "32", "--moco-k", "256"],
    "vit_small": ["--recipe", "v3-vit-small", "--image-size", "64", "--batch-size", "32"],
}
STEPS = 12


def train(options, case, out, threads, steps):
    command = [options.moco, "pretrain", options.photos, *CASES[case], "--device", "cpu",
               "--steps", str(steps), "--out", str(out), "--quiet"]
    subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": str(threads)}, check=True)


def digest(out):
    """Of all files of the last checkpoint."""
    folder = out / "checkpoints" / (out / "checkpoints" / "latest").read_text().strip()
    total = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        total.update(file.name.encode() + file.read_bytes())
    return total.hexdigest()[:16]


def beside_a_busy_process(options, case, out):
    busy = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        train(options, case, out, 2, STEPS)
    finally:
        busy.kill()


def broken_off(options, case, out, first, then):
    train(options, case, out, first, STEPS // 2)
    train(options, case, out, then, STEPS)


RUNS = {
    "1 thread": lambda *of: train(*of, 1, STEPS),
    "2 threads": lambda *of: train(*of, 2, STEPS),
    "4 threads": lambda *of: train(*of, 4, STEPS),
    "2, a busy neighbour": beside_a_busy_process,
    "6 steps with 2, then 1": lambda *of: broken_off(*of, 2, 1),
    "6 steps with 1, then 4": lambda *of: broken_off(*of, 1, 4),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("moco")
    parser.add_argument("photos")
    parser.add_argument("--case", choices=CASES, action="append")
    options = parser.parse_args()
    same = True
    for case in options.case or CASES:
        first = None
        for name, run in RUNS.items():
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "run"
                run(options, case, out)
                found = digest(out)
            first = first or found
            same = same and found == first
            print(f"{case:10} {name:24} {found} {'' if found == first else 'DIFFERS'}", flush=True)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
