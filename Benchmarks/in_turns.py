"""Times a training step of this program and of a peer in turns, so that a busy machine slows both."""

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


def compare(ours, theirs, peer, turns, name=""):
    """Runs both commands `turns` times; medians, and the ratio turn by turn."""
    own, other = [], []
    for turn in range(turns):
        own.append(run(ours)["seconds_per_step"])
        other.append(run(theirs)["seconds_per_step"])
        print(f"{name}{turn + 1}: {own[-1]:.3f} s, {peer} {other[-1]:.3f} s", file=sys.stderr)
    ratios = sorted(b / a for a, b in zip(own, other))
    return {
        "seconds": statistics.median(own), f"{peer.lower()}_seconds": statistics.median(other),
        "ratio": statistics.median(ratios), "lowest_ratio": ratios[0], "highest_ratio": ratios[-1]}


def line(result, peer):
    return (f"{result['seconds']:.3f} s a step, {peer} {result[f'{peer.lower()}_seconds']:.3f} s: {result['ratio']:.2f} x "
            f"({result['lowest_ratio']:.2f} to {result['highest_ratio']:.2f})")
