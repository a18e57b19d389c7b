"""Runs `moco bench step` and moco_step.py in turns and prints the medians and their ratios.

A case is one step: its network, images, batch and dictionary. One round runs every program once, so that a busy
machine slows all of them; a ratio is the median of the rounds' ratios. A program that fails is reported and left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PEER = Path(__file__).with_name("moco_step.py")


@dataclass
class Case:
    """A step; `batch` is the number of images on the CPU and on a GPU."""

    recipe: str
    arch: str
    stem: str
    image_size: int
    batch: tuple[int, int]
    k: int
    splits: int
    mlp: bool = False


CASES = {
    "cifar": Case("cifar", "resnet18", "cifar", 32, (128, 512), 4096, 8),
    "cifar-plain": Case("cifar", "resnet18", "cifar", 32, (128, 512), 4096, 1),
    "imagenet": Case("v2", "resnet50", "imagenet", 224, (32, 256), 65536, 1, mlp=True),
    "tiny": Case("cifar", "resnet18", "cifar", 8, (8, 8), 16, 2),
}


def commands(case, batch, options):
    """The command of every program, by name."""
    timed = ["--steps", str(options.steps), "--warmup", str(options.warmup), "--json"]
    ours = [options.moco, "bench", "step", "--recipe", case.recipe, "--arch", case.arch, "--batch-size", batch]
    ours += ["--moco-k", case.k, "--bn-splits", case.splits, "--image-size", case.image_size, "--device", options.device]
    peer = [sys.executable, PEER, "--arch", case.arch, "--stem", case.stem, "--batch", batch, "--k", case.k]
    peer += ["--splits", case.splits, "--image-size", case.image_size, "--device", options.device]
    peer += ["--mlp"] if case.mlp else []
    found = {f"moco {precision}": [*ours, "--precision", precision, *timed] for precision in options.precisions}
    found |= {f"pytorch {variant}": [*peer, "--variant", variant, *timed] for variant in options.variants}
    return {name: [str(word) for word in command] for name, command in found.items()}


def run(command, limit):
    """The program's JSON, or its error output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"longer than {limit} s"
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["no message"])[-1]
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(case, options):
    batch = options.batch or case.batch[0 if options.device == "cpu" else 1]
    results, failures = {}, {}
    programs = commands(case, batch, options)
    for _ in range(options.rounds):
        for name, command in programs.items():
            if name in failures:
                continue
            result = run(command, options.limit)
            if isinstance(result, str):
                failures[name] = result
                results.pop(name, None)
                print(f"{name}: {result}", file=sys.stderr)
            else:
                results.setdefault(name, []).append(result)
                print(f"{name}: {result['seconds_per_step'] * 1000:.1f} ms", file=sys.stderr)
    versions = {one["torch"].split("+")[0] for many in results.values() for one in many}
    if len(versions) > 1:
        print(f"the programs ran on different versions of LibTorch: {sorted(versions)}", file=sys.stderr)
    rates = {name: [batch / one["seconds_per_step"] for one in many] for name, many in results.items()}
    rounds = {
        ours: {
            peer: [a / b for a, b in zip(rates[ours], rates[peer], strict=True)]
            for peer in rates
            if peer.startswith("pytorch")
        }
        for ours in rates
        if ours.startswith("moco")
    }
    roofline = {name: many[-1]["roofline"] for name, many in results.items() if "roofline" in many[-1]}
    over = {name: statistics.median(one["roofline"]["over_floor"] for one in results[name]) for name in roofline}
    updates = {
        name: statistics.median(one["seconds_of_updates"] / one["seconds_per_step"] for one in many)
        for name, many in results.items()
        if "seconds_of_updates" in many[0]
    }
    return {
        "batch": batch,
        "device": next((one["device"] for n, many in results.items() if n.startswith("pytorch") for one in many), options.device),
        "torch": " and ".join(sorted(versions)),
        "rounds": options.rounds,
        "steps": options.steps,
        "images_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "ratio": {ours: {peer: statistics.median(all) for peer, all in peers.items()} for ours, peers in rounds.items()},
        "ratio_of_rounds": rounds,
        "share_of_updates": updates,  # of a step, for updating key encoder and weights
        "not_recorded": next((one["not_recorded"] for many in results.values() for one in many if one.get("not_recorded")), None),
        "roofline": roofline,
        "over_floor": over,
        "failed": failures,
    }


def show(name, case, found):
    print(f"\n{name}: {case.arch}, {case.image_size} pixels, batch {found['batch']}, K {case.k}, {case.splits} BN splits")
    print(f"{found['device']}, LibTorch {found['torch']}; medians of {found['rounds']} rounds of {found['steps']} steps")
    for program, rate in found["images_per_second"].items():
        floor = f"   {found['over_floor'][program]:.2f} x its floor" if program in found["over_floor"] else ""
        print(f"  {program:17} {rate:10.1f} images/s{floor}")
    for program, reason in found["failed"].items():
        print(f"  {program:17} failed: {reason}")
    for ours, against in found["ratio"].items():
        for peer, ratio in against.items():
            turns = ", ".join(f"{one:.2f}" for one in found["ratio_of_rounds"][ours][peer])
            print(f"  {ours} is {ratio:.2f} x {peer} (turn by turn {turns})")


def main():
    items = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moco", default="moco", help="the program; Benchmarks/peers/run gives it")
    parser.add_argument("--cases", type=items, default=["cifar"], help=f"of {', '.join(CASES)}, with commas")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--precisions", type=items, help="of float32 and bfloat16; both on a GPU, else float32")
    parser.add_argument("--variants", type=items, default=["eager", "amp", "compile"], help="eager, amp, compile")
    parser.add_argument("--batch", type=int, help="images a step; the case's own if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--limit", type=int, default=900, help="seconds that one program may take")
    parser.add_argument("--out", type=Path, help="also write everything to this JSON file")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    options.precisions = options.precisions or (["float32"] if options.device == "cpu" else ["float32", "bfloat16"])
    found = {}
    for name in options.cases:
        found[name] = measure(CASES[name], options)
        show(name, CASES[name], found[name])
        if options.out:
            options.out.write_text(json.dumps(found, indent=1) + "\n")
    if any(case["failed"] for case in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
