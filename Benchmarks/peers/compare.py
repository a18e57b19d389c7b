"""Runs `moco bench step` and a peer's program in turns and prints the medians and their ratios.

The peer is moco_step.py, or moco_v3_step.py for MoCo v3. A case is one step: its network, images, batch and dictionary.
One round runs every program once, so that a busy machine slows all of them; a ratio is the median of the rounds'
ratios. A program that fails is reported and left out.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

# ru_maxrss is in bytes on macOS, in KiB elsewhere.
BYTES_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024


@dataclass
class Case:
    """A step; `batch` is the number of images on the CPU and on a GPU. MoCo v3 has no dictionary."""

    recipe: str
    arch: str
    image_size: int
    batch: tuple[int, int]
    stem: str = ""
    k: int = 0
    splits: int = 1
    mlp: bool = False

    @property
    def is_v3(self):
        return self.k == 0

    def ours(self):
        """The options of `moco bench step` that are the case's own."""
        common = ["--recipe", self.recipe, "--arch", self.arch, "--image-size", self.image_size]
        return common if self.is_v3 else [*common, "--moco-k", self.k, "--bn-splits", self.splits]

    def peer(self, fused):
        """The peer's program and the options that are the case's own."""
        program = Path(__file__).with_name("moco_v3_step.py" if self.is_v3 else "moco_step.py")
        common = [program, "--arch", self.arch, "--image-size", self.image_size]
        if self.is_v3:
            return common + (["--fused"] if fused else [])
        return [*common, "--stem", self.stem, "--k", self.k, "--splits", self.splits] + (["--mlp"] if self.mlp else [])

    def summary(self):
        return "" if self.is_v3 else f", K {self.k}, {self.splits} BN splits"


CASES = {
    "cifar": Case("cifar", "resnet18", 32, (128, 512), "cifar", 4096, 8),
    "cifar-plain": Case("cifar", "resnet18", 32, (128, 512), "cifar", 4096, 1),
    "imagenet": Case("v2", "resnet50", 224, (32, 256), "imagenet", 65536, 1, mlp=True),
    "v3": Case("v3-vit-small", "vit_small", 224, (16, 256)),
    "tiny": Case("cifar", "resnet18", 8, (8, 8), "cifar", 16, 2),
}


def commands(case, batch, options):
    """The command of every program, by name."""
    timed = ["--device", options.device, "--steps", options.steps, "--warmup", options.warmup, "--json"]
    ours = [options.moco, "bench", "step", *case.ours(), "--batch-size", batch, *timed]
    peer = [sys.executable, *case.peer(options.fused), "--batch", batch, *timed]
    fused = ", fused" if options.fused else ""
    found = {f"moco {precision}": [*ours, "--precision", precision] for precision in options.precisions}
    found |= {f"pytorch {variant}{fused}": [*peer, "--variant", variant] for variant in options.variants}
    return {name: [str(word) for word in command] for name, command in found.items()}


def run(command, limit):
    """The program's JSON with its peak resident memory in MB, or its error output."""
    late = threading.Event()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors)

        def stop():
            late.set()
            os.kill(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except BaseException:
            os.kill(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
            timer.join()  # before the process is reaped: its number may then be another's
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if late.is_set():
            return f"longer than {limit} s"
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            return (errors.read().strip().splitlines() or ["no message"])[-1]
        peak = usage.ru_maxrss * BYTES_OF_MAXRSS / 1e6
        return json.loads(output.read().strip().splitlines()[-1]) | {"peak_megabytes": peak}


def turn_by_turn(values):
    """Every round's ratio of each of our programs to each peer."""
    peers = [name for name in values if name.startswith("pytorch")]
    return {
        ours: {peer: [a / b for a, b in zip(values[ours], values[peer], strict=True)] for peer in peers}
        for ours in values
        if ours.startswith("moco")
    }


def medians(rounds):
    return {ours: {peer: statistics.median(all) for peer, all in peers.items()} for ours, peers in rounds.items()}


def memory(results):
    """The peaks of all programs, in MB, and their ratios."""
    peaks = {name: [one["peak_megabytes"] for one in many] for name, many in results.items()}
    rounds = turn_by_turn(peaks)
    return {
        "peak_megabytes": {name: statistics.median(values) for name, values in peaks.items()},
        "memory_ratio": medians(rounds),
        "memory_ratio_of_rounds": rounds,
    }


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
                peak = f", peak {result['peak_megabytes']:,.0f} MB" if options.memory else ""
                print(f"{name}: {result['seconds_per_step'] * 1000:.1f} ms{peak}", file=sys.stderr)
    versions = {one["torch"].split("+")[0] for many in results.values() for one in many}
    if len(versions) > 1:
        print(f"the programs ran on different versions of LibTorch: {sorted(versions)}", file=sys.stderr)
    rates = {name: [batch / one["seconds_per_step"] for one in many] for name, many in results.items()}
    rounds = turn_by_turn(rates)
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
        "ratio": medians(rounds),
        "ratio_of_rounds": rounds,
        "share_of_updates": updates,  # of a step, for updating key encoder and weights
        "not_recorded": next((one["not_recorded"] for many in results.values() for one in many if one.get("not_recorded")), None),
        "roofline": roofline,
        "over_floor": over,
        "failed": failures,
    } | (memory(results) if options.memory else {})


def show(name, case, found):
    print(f"\n{name}: {case.arch}, {case.image_size} pixels, batch {found['batch']}{case.summary()}")
    print(f"{found['device']}, LibTorch {found['torch']}; medians of {found['rounds']} rounds of {found['steps']} steps")
    width = max(17, *map(len, [*found["images_per_second"], *found["failed"]]))
    peaks = found.get("peak_megabytes", {})
    for program, rate in found["images_per_second"].items():
        floor = f"   {found['over_floor'][program]:.2f} x its floor" if program in found["over_floor"] else ""
        peak = f"   peak {peaks[program]:,.0f} MB" if program in peaks else ""
        print(f"  {program:{width}} {rate:10.1f} images/s{peak}{floor}")
    for program, reason in found["failed"].items():
        print(f"  {program:{width}} failed: {reason}")
    show_ratios(found["ratio"], found["ratio_of_rounds"], "is {ratio:.2f} x {peer}")
    if peaks:
        show_ratios(found["memory_ratio"], found["memory_ratio_of_rounds"], "takes {ratio:.2f} x the memory of {peer}")


def show_ratios(ratios, rounds, sentence):
    for ours, against in ratios.items():
        for peer, ratio in against.items():
            turns = ", ".join(f"{one:.2f}" for one in rounds[ours][peer])
            print(f"  {ours} {sentence.format(ratio=ratio, peer=peer)} (turn by turn {turns})")


def main():
    items = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moco", default="moco", help="the program; Benchmarks/peers/run gives it")
    parser.add_argument("--cases", type=items, default=["cifar"], help=f"of {', '.join(CASES)}, with commas")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--precisions", type=items, help="of float32 and bfloat16; both on a GPU, else float32")
    parser.add_argument("--variants", type=items, default=["eager", "amp", "compile"], help="eager, amp, compile")
    parser.add_argument("--fused", action="store_true", help="v3: the peer's attention by PyTorch's own function")
    parser.add_argument("--batch", type=int, help="images a step; the case's own if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--limit", type=int, default=900, help="seconds that one program may take")
    parser.add_argument("--memory", action="store_true", help="also compare peak resident memory, a GPU's not counted")
    parser.add_argument("--out", type=Path, help="also write everything to this JSON file")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if options.fused and not all(CASES[name].is_v3 for name in options.cases):
        parser.error("--fused: only the case v3 has attention")
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
