"""Kills a run at random moments, continues it by the same command, and compares its end with an unbroken run's.

    python3 Benchmarks/kills/kills.py MOCO OUT [--kills 10] [--seed 1] -- detect --train … --test … --recipe small-c4

The command is given without its --out. It runs once whole, in OUT/whole, and once in OUT/killed, where SIGKILL comes
--kills times, each after a random time of up to a third of the whole run's. Then the files of the last checkpoint, and
the results if there are any, are compared byte by byte. Exits with 1 if one differs.
"""

import argparse
import filecmp
import json
import random
import subprocess
import sys
import time
from pathlib import Path


def last_step(folder):
    log = folder / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    # The last line may be cut off by the kill.
    steps = [json.loads(line).get("step", 0) for line in lines if line.endswith("}")]
    return max(steps, default=0)


def compared(whole, killed):
    """The files of both runs' last checkpoints and results, with whether they are the same."""
    checkpoint = max((whole / "checkpoints").glob("step-*"), key=lambda path: int(path.name.split("-")[1]))
    files = [path.relative_to(whole) for path in sorted(checkpoint.iterdir())]
    results = [whole / "results.json", *sorted((whole / "predictions").glob("**/*.png"))]
    files += [path.relative_to(whole) for path in results if path.exists()]
    return {str(name): (killed / name).exists() and filecmp.cmp(whole / name, killed / name, shallow=False)
            for name in files}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moco")
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("command", nargs="+", help="after --")
    options = parser.parse_args()

    def start(folder):
        command = [options.moco, *options.command, "--out", str(folder), "--quiet"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    whole, killed = options.out / "whole", options.out / "killed"
    began = time.monotonic()
    if start(whole).wait() != 0:
        sys.exit(f"the unbroken run failed: see {whole}/log.jsonl")
    seconds = time.monotonic() - began
    print(f"unbroken: {seconds:.1f} s, {last_step(whole)} steps", flush=True)

    moments = random.Random(options.seed)
    for number in range(options.kills):
        process, limit = start(killed), moments.uniform(0, seconds / 3)
        try:
            if process.wait(limit) != 0:
                sys.exit(f"the continued run failed: see {killed}/log.jsonl")
            print(f"ended before kill {number + 1}")
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"kill {number + 1} after {limit:.2f} s, at step {last_step(killed)}", flush=True)
    else:
        if start(killed).wait() != 0:
            sys.exit(f"the continued run failed: see {killed}/log.jsonl")
    same = compared(whole, killed)
    for name, equal in same.items():
        print(f"{name}: {'the same bytes' if equal else 'DIFFERS'}")
    sys.exit(0 if all(same.values()) else 1)


if __name__ == "__main__":
    main()
