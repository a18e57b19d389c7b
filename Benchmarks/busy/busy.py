"""Times a training step beside one busy process, and on cores that are left alone.

    python3 Benchmarks/busy/busy.py .build/release/moco [OTHER …] [--rounds 5]

Each round times every program quiet, and beside an endless loop, in turns, so that a shared machine's other work slows
all of them alike. Prints the medians of each, of the rounds' ratios busy/quiet, and of quiet times to the first
program's. With --pinned the loop stays on core 0. `GOMP_SPINCOUNT` and the like are handed on.
"""

import argparse
import json
import os
import statistics
import subprocess

STEP = ["bench", "step", "--recipe", "cifar", "--arch", "resnet18", "--json"]


def seconds(program, options):
    command = [program, *STEP, "--batch-size", str(options.batch), "--steps", str(options.steps), "--warmup", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)["seconds_per_step"]


def beside_a_loop(program, options):
    pin = ["taskset", "-c", "0"] if options.pinned else []
    busy = subprocess.Popen([*pin, "sh", "-c", "while :; do :; done"])
    try:
        return seconds(program, options)
    finally:
        busy.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pinned", action="store_true")
    options = parser.parse_args()
    quiet, busy = ({program: [] for program in options.programs} for _ in range(2))
    for _ in range(options.rounds):
        for program in options.programs:
            quiet[program].append(seconds(program, options))
            busy[program].append(beside_a_loop(program, options))
            print(f"{program}: {quiet[program][-1]:.2f} s quiet, {busy[program][-1]:.2f} s busy, "
                  f"load {os.getloadavg()[0]:.1f}", flush=True)
    first = options.programs[0]
    for program in options.programs:
        ratios = [b / q for q, b in zip(quiet[program], busy[program])]
        relative = [q / f for q, f in zip(quiet[program], quiet[first])]
        print(f"{program}: quiet {statistics.median(quiet[program]):.2f} s, busy/quiet {statistics.median(ratios):.2f}, "
              f"quiet/first {statistics.median(relative):.3f}")


if __name__ == "__main__":
    main()
