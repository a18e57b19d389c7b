"""Times this program and peers in turns, so that a busy machine slows all of them."""

import json
import os
import statistics
import subprocess
import sys
import time

THREADS = 2


def timed(step, warmup, steps):
    """Runs step(), which returns its loss, and gives the median time of those after `warmup`."""
    seconds, losses = [], []
    for _ in range(warmup + steps):
        start = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - start)
    return {"seconds_per_step": statistics.median(seconds[warmup:]), "losses": losses}


def run(command):
    """The JSON that a command prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "MKL_NUM_THREADS": str(THREADS)}
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)


def take_turns(commands, turns, key, name=""):
    """Runs every command once a turn; its JSON of every turn, by the program's name. `key` is that of the seconds."""
    results = {program: [] for program in commands}
    for turn in range(turns):
        for program, command in commands.items():
            results[program].append(run(command))
        seconds = (f"{program} {many[-1][key]:.3f} s".strip() for program, many in results.items())
        print(f"{name}{turn + 1}: {', '.join(seconds)}", file=sys.stderr)
    return results


def ratio(own, other):
    """The ratio of the peer's seconds to ours: median, lowest and highest of the turns'."""
    ratios = sorted(b / a for a, b in zip(own, other, strict=True))
    return {"ratio": statistics.median(ratios), "lowest_ratio": ratios[0], "highest_ratio": ratios[-1]}


def compare(ours, theirs, peer, turns, name=""):
    """Runs both commands `turns` times; medians, and the ratio turn by turn."""
    results = take_turns({"": ours, peer: theirs}, turns, "seconds_per_step", name)
    own, other = ([one["seconds_per_step"] for one in many] for many in results.values())
    return {
        "seconds": statistics.median(own), f"{peer.lower()}_seconds": statistics.median(other), **ratio(own, other)}


def ratio_text(result):
    return f"{result['ratio']:.2f} x ({result['lowest_ratio']:.2f} to {result['highest_ratio']:.2f})"


def line(result, peer):
    return f"{result['seconds']:.3f} s a step, {peer} {result[f'{peer.lower()}_seconds']:.3f} s: {ratio_text(result)}"
