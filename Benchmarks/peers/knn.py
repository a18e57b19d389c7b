"""Compares a kNN classification with plain searches for the nearest rows, in turns, on two threads.

The peers only search: PyTorch in blocks of one torch.mm and topk, and faiss's IndexFlatIP. All of them bring random
rows to length 1 first, within the time. faiss is optional. The report is the median over the turns.

    python Benchmarks/peers/knn.py MOCO [--bank 50000] [--queries 10000] [--width 512] [--k 200] [--turns 5] [--json]

Needs torch 2.11. Benchmarks/knn also builds the program. Run it on an idle machine.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from in_turns import THREADS, ratio, ratio_text, take_turns  # noqa: E402

FAISS = "1.15.1"
SIZES = {"bank": 50_000, "queries": 10_000, "width": 512, "k": 200}


def time_torch(options):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(THREADS)
    generator = torch.Generator().manual_seed(1)
    bank = torch.randn(options.bank, options.width, generator=generator)
    queries = torch.randn(options.queries, options.width, generator=generator)
    started = time.perf_counter()
    with torch.inference_mode():
        columns = F.normalize(bank).T
        found = [torch.mm(block, columns).topk(options.k) for block in F.normalize(queries).split(options.block)]
    seconds = time.perf_counter() - started
    assert sum(len(values) for values, _ in found) == options.queries
    return {"seconds": seconds, "threads": torch.get_num_threads(), "torch": torch.__version__}


def time_faiss(options):
    import faiss
    import numpy

    faiss.omp_set_num_threads(THREADS)
    generator = numpy.random.default_rng(1)
    bank = generator.standard_normal((options.bank, options.width), numpy.float32)
    queries = generator.standard_normal((options.queries, options.width), numpy.float32)
    started = time.perf_counter()
    faiss.normalize_L2(bank)
    faiss.normalize_L2(queries)
    index = faiss.IndexFlatIP(options.width)
    index.add(bank)
    _, found = index.search(queries, options.k)
    seconds = time.perf_counter() - started
    assert found.shape == (options.queries, options.k) and found.min() >= 0
    return {"seconds": seconds, "threads": faiss.omp_get_max_threads(), "faiss": faiss.__version__}


PEERS = {"torch": time_torch, "faiss": time_faiss}


def peers():
    """The peers that this Python has."""
    if importlib.util.find_spec("faiss"):
        return list(PEERS)
    print(f"faiss is left out: {sys.executable} has none. Add it with pip install faiss-cpu=={FAISS}", file=sys.stderr)
    return ["torch"]


def compare(options):
    """Medians of all programs, and each peer's ratio turn by turn."""
    sizes = [word for name in SIZES for word in (f"--{name}", str(getattr(options, name)))]
    peer = [sys.executable, __file__, *sizes, "--block", str(options.block), "--peer"]
    commands = {"moco": [options.moco, "bench", "knn", *sizes, "--device", "cpu", "--json"]}
    commands |= {name: [*peer, name] for name in peers()}
    results = take_turns(commands, options.turns, "seconds")
    seconds = {name: [one["seconds"] for one in many] for name, many in results.items()}
    versions = {many[0]["torch"].split("+")[0] for many in results.values() if "torch" in many[0]}
    threads = {many[0]["threads"] for many in results.values()}
    if len(versions) != 1 or len(threads) != 1:
        sys.exit(f"different versions of LibTorch or numbers of threads: {sorted(versions)}, {sorted(threads)}")
    return {
        "sizes": {name: getattr(options, name) for name in SIZES},
        "turns": options.turns,
        "threads": threads.pop(),
        "torch": versions.pop(),
        "faiss": results["faiss"][0]["faiss"] if "faiss" in results else None,
        "seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "ratio": {name: ratio(seconds["moco"], values) for name, values in seconds.items() if name != "moco"},
    }


def show(result):
    sizes = result["sizes"]
    print(
        f"kNN, {sizes['queries']:,} queries among {sizes['bank']:,} rows of {sizes['width']}, k = {sizes['k']}; "
        f"LibTorch {result['torch']}, {result['threads']} threads; medians of {result['turns']} turns")
    titles = {"torch": "torch.mm and topk", "faiss": f"faiss {result['faiss']} IndexFlatIP"}
    print(f"  {'moco, with votes':26} {result['seconds']['moco']:7.3f} s")
    for name, one in result["ratio"].items():
        print(f"  {titles[name]:26} {result['seconds'][name]:7.3f} s: {ratio_text(one)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moco", nargs="?", help="the program, built with -c release")
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--block", type=int, default=1000, help="queries that PyTorch takes at once")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer", choices=PEERS, help="one turn of this peer, as JSON")
    options = parser.parse_args()
    if options.peer:
        print(json.dumps(PEERS[options.peer](options)))
        return
    if not options.moco:
        parser.error("MOCO is missing: the program to compare")
    result = compare(options)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
