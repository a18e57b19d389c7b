"""Times local aggregation's search for nearest rows beside torch.mm and topk, in turns, with two threads.

    swift build -c release --product moco
    python Benchmarks/neighbours/search.py [.build/release/moco] [--bank 50000] [--queries 128] [--width 128] [--k 4096]

wants torch 2.11.0. Both search random rows of length 1. PyTorch's top-k need not sort, and holds all products.
"""

import argparse
import json
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

THREADS, TURNS, ROUNDS = 2, 5, 5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", default=".build/release/moco")
    sizes = {"bank": 50_000, "queries": 128, "width": 128, "k": 4096}
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    given = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    bank = F.normalize(torch.randn(given.bank, given.width))
    queries = F.normalize(torch.randn(given.queries, given.width))

    def milliseconds(is_sorted):
        times = []
        with torch.inference_mode():
            for _ in range(ROUNDS + 1):
                start = time.perf_counter()
                torch.mm(queries, bank.T).topk(given.k, sorted=is_sorted)
                times.append(1000 * (time.perf_counter() - start))
        return statistics.median(times[1:])

    options = [text for name in sizes for text in (f"--{name}", str(getattr(given, name)))]
    command = [given.program, "bench", "neighbours", "--threads", str(THREADS), "--rounds", str(ROUNDS), *options]
    turns = []
    for _ in range(TURNS):
        ours = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["milliseconds"]
        turns.append((milliseconds(True), milliseconds(False), ours))

    print(f"{given.queries} queries among {given.bank} rows of {given.width}, k = {given.k}; {THREADS} threads, {TURNS} turns")
    print("| torch.mm + topk, ms | the same, not sorted, ms | moco, ms | ratio, each turn | median | not sorted |")
    print("|---|---|---|---|---|---|")
    theirs, unsorted, ours = zip(*turns)
    ratios, others = ([a / c for a, c in zip(times, ours)] for times in (theirs, unsorted))
    medians = " | ".join(f"{statistics.median(times):.1f}" for times in (theirs, unsorted, ours))
    listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"| {medians} | {listed} | {statistics.median(ratios):.2f} | {statistics.median(others):.2f} |")


if __name__ == "__main__":
    main()
